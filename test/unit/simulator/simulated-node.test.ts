import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClientTable, type ClientEntry } from '../../../exporter/clients/client-table.js';
import { watchQueueReports } from '../../../exporter/simulator/job-reports.js';
import { SimulatedDevices } from '../../../exporter/simulator/simulated-devices.js';
import { SimulatedMemory } from '../../../exporter/simulator/simulated-memory.js';
import { SimulatedNode } from '../../../exporter/simulator/simulated-node.js';

function start(t: TestContext, post: (entry: ClientEntry, bytes: Uint8Array) => void, isHeard = true) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const clients = new ClientTable(1000);
  clients.subscribe({ added: (entry) => queueMicrotask(() => clients.setWatched(entry, true)) });
  const bus = new SimulatedDevices();
  let bound = bus.list();
  const node = new SimulatedNode({
    memory: new SimulatedMemory(),
    clients,
    devices: () => bound,
    reports: watchQueueReports((entry, record) => {
      if (!entry.watched) return false;
      post(entry, record(0));
      if (isHeard) queueMicrotask(() => node.told());
      return true;
    }),
    rate: 100,
    outcomeWindowMs: 2000,
  });
  t.after(() => node.stop());
  node.start();
  const seconds = async (count: number) => {
    for (let tick = 0; tick < count * 50; tick++) {
      t.mock.timers.tick(20);
      await Promise.resolve();
    }
  };
  const rebind = (action: 'unbind' | 'bind') => {
    bus[action]('0000:04:00.0');
    bound = bus.list();
  };
  return { clients, seconds, rebind };
}

test('six jobs on two GPUs, errors at the rate asked for', async (t) => {
  let errors = 0;
  const { clients, seconds } = start(t, (entry, bytes) => {
    if (bytes.length === 16) errors++;
    else clients.remove(entry);
  });
  assert.equal([...clients.entries()].length, 6);
  await Promise.resolve();
  await seconds(10);
  assert.ok(errors > 900 && errors <= 1000, `${errors} errors`);
  assert.deepEqual(new Set([...clients.entries()].map(({ client }) => client.workload?.pod)).size, 6);
  assert.equal([...clients.entries()].length, 6);
});

test('removal notices that a full ring has lost do not fill the table', async (t) => {
  const { clients, seconds } = start(t, (entry) => clients.suspect(entry));
  await Promise.resolve();
  await seconds(60);
  assert.ok([...clients.entries()].length < 200, `${[...clients.entries()].length} clients`);
  assert.equal(clients.full, false);
});

test('some jobs repeat, some leave after their first error, some survive', async (t) => {
  const errorsOf = new Map<ClientEntry, number>();
  const pods = { repeated: new Set<string>(), left: new Set<string>(), survived: new Set<string>() };
  let quiet = 0;
  const lastError = new Map<ClientEntry, number>();
  let ticks = 0;
  const { clients, seconds } = start(t, (entry, bytes) => {
    const pod = entry.client.workload?.pod ?? '';
    if (bytes.length !== 16) {
      if (errorsOf.get(entry) === 1) pods.left.add(pod);
      return clients.remove(entry);
    }
    const since = ticks - (lastError.get(entry) ?? -Infinity);
    if (since < 2000) pods.repeated.add(pod);
    else if (since < Infinity) {
      pods.survived.add(pod);
      quiet++;
    }
    lastError.set(entry, ticks);
    errorsOf.set(entry, (errorsOf.get(entry) ?? 0) + 1);
  });
  await Promise.resolve();
  for (; ticks < 10_000; ticks += 20) await seconds(0.02);
  assert.deepEqual([...pods.left], ['segmentation-batch']);
  assert.deepEqual([...pods.survived].sort(), ['notebook-mara', 'video-analytics']);
  assert.deepEqual([...pods.repeated].sort(), ['llama-finetune-0', 'llama-finetune-1', 'md-simulation']);
  assert.ok(quiet >= 4, `${quiet} errors of survivors`);
});

test('the jobs of a GPU leave when it is unbound, and come back to the one that is bound', async (t) => {
  const onUnbound: string[] = [];
  let isBound = true;
  const { clients, seconds, rebind } = start(t, (entry, bytes) => {
    if (bytes.length !== 16) return clients.remove(entry);
    if (!isBound && entry.client.device.pciBdf === '0000:04:00.0') onUnbound.push(entry.client.workload?.pod ?? '');
  });
  const gpus = () => [...clients.entries()].map(({ client }) => client.device);
  await Promise.resolve();
  await seconds(2);
  const before = gpus().find(({ pciBdf }) => pciBdf === '0000:04:00.0');

  rebind('unbind');
  isBound = false;
  await seconds(2);
  assert.deepEqual([...new Set(gpus().map(({ pciBdf }) => pciBdf))], ['0000:03:00.0']);
  assert.deepEqual(onUnbound, []);

  rebind('bind');
  await seconds(2);
  const after = gpus().filter(({ pciBdf }) => pciBdf === '0000:04:00.0');
  assert.equal(after.length, 3);
  assert.ok(!after.includes(before!));
});

test('the job that listens exits when nobody tells it of its error', async (t) => {
  const left = new Set<string>();
  const { clients, seconds } = start(
    t,
    (entry, bytes) => {
      if (bytes.length === 16) return;
      left.add(entry.client.workload?.pod ?? '');
      clients.remove(entry);
    },
    false,
  );
  await Promise.resolve();
  await seconds(30);
  assert.ok(left.has('video-analytics'), [...left].join(' '));
});
