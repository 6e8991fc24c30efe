import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientTable, type ClientEntry } from '../../../exporter/clients/client-table.js';
import { DeviceMemory } from '../../../exporter/memory/device-memory.js';
import { aClient, aDevice } from '../../helpers/events.js';
import { inVram, ManualReader } from '../../helpers/memory-reader.js';

function start(clients = 5) {
  const device = aDevice();
  const reader = new ManualReader();
  const table = new ClientTable(100_000);
  let now = 1_000;
  const memory = new DeviceMemory(device, reader, () => now);
  const entries: ClientEntry[] = [];
  for (let id = 1; id <= clients; id++) {
    const entry = table.add(aClient({ drmClientId: id, device }), [])!;
    reader.holds.set(entry, inVram(id));
    entries.push(entry);
  }
  return { memory, reader, entries, pass: (ms: number) => (now += ms) };
}

test('everything in its order, in one read', async () => {
  const { memory, reader, entries } = start(2);
  const done = memory.read(['regions', ...entries]);
  reader.finish();
  await done;
  assert.deepEqual(reader.begun, ['regions', '1', '2']);
  assert.deepEqual(memory.get(entries[1]!)?.value, inVram(2));
  assert.equal(memory.hung, false);
});

test('what has just been read is shared, and read again after a while', async () => {
  const { memory, reader, pass } = start();
  const first = memory.read(['regions']);
  const second = memory.read(['regions']);
  reader.finish();
  await Promise.all([first, second, memory.read(['regions'])]);
  assert.deepEqual(reader.begun, ['regions']);
  pass(300);
  const third = memory.read(['regions']);
  reader.finish();
  await third;
  assert.deepEqual(reader.begun, ['regions', 'regions']);
});

test('what is urgent breaks off what is not, which is taken up again', async () => {
  const { memory, reader, entries } = start(5);
  const sample = memory.read(['regions', ...entries.slice(0, 4)]);
  reader.answer();
  const urgent = memory.read([entries[4]!, 'regions'], { urgent: true });
  reader.answer(); // called off
  reader.finish();
  await Promise.all([sample, urgent]);
  assert.deepEqual(reader.begun, ['regions', '5', '1', '2', '3', '4']);
  assert.equal(reader.mostAtOnce, 1);
});

test('a storm of victims: each is read once, in the order of their errors', async () => {
  const { memory, reader, entries } = start(300);
  const all = entries.flatMap((entry) => [
    memory.read([entry, 'regions'], { urgent: true }),
    memory.read([entry, 'regions'], { urgent: true }),
  ]);
  reader.finish();
  await Promise.all(all);
  assert.deepEqual(reader.begun, ['1', 'regions', ...entries.slice(1).map(({ client }) => String(client.drmClientId))]);
  assert.equal(reader.mostAtOnce, 1);
});

test('a read that was given up is not followed by another one until it comes back', async () => {
  const { memory, reader, entries } = start(2);
  const first = memory.read(['regions', ...entries]);
  memory.giveUp();
  await first;
  assert.equal(memory.hung, true);
  await memory.read([entries[1]!], { urgent: true });
  assert.equal(reader.mostAtOnce, 1);
  reader.finish();
  assert.equal(memory.hung, false);
  assert.deepEqual(reader.begun, []);
  const again = memory.read([entries[1]!]);
  reader.finish();
  await again;
  assert.deepEqual(reader.begun, ['2']);
});

test('giving up while nothing is read is nothing', async () => {
  const { memory, reader } = start();
  memory.giveUp();
  assert.equal(memory.hung, false);
  const read = memory.read(['regions']);
  reader.finish();
  await read;
  assert.deepEqual(reader.begun, ['regions']);
});

test('a refusal takes the last good reading off; that of a denied client is told', async () => {
  const { memory, reader, entries, pass } = start(2);
  const read = async () => {
    pass(1_000);
    const done = memory.read(['regions', ...entries]);
    reader.finish();
    await done;
  };
  await read();
  reader.holds.set('regions', { operation: 'asleep', errno: 11 });
  reader.holds.delete(entries[0]!);
  reader.holds.set(entries[1]!, { operation: 'read', errno: 13 });
  await read();
  for (const item of ['regions', ...entries] as const) assert.equal(memory.get(item), undefined);
  assert.deepEqual(memory.regionsRefusal, { operation: 'asleep', errno: 11 });
  assert.deepEqual(memory.clientRefusal, { operation: 'read', errno: 13 });
});

test('what nobody has open any more is forgotten', async () => {
  const { memory, reader, entries } = start(2);
  const done = memory.read(['regions', ...entries]);
  reader.finish();
  await done;
  memory.retain(new Set([entries[1]!]));
  assert.equal(memory.get(entries[0]!), undefined);
  assert.ok(memory.get(entries[1]!));
  assert.ok(memory.get('regions'));
});
