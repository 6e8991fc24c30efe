import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { XeClient } from '../../../exporter/clients/client.js';
import { Decoder } from '../../../exporter/pipeline/decode/decoder.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { eventDefinitions } from '../../../exporter/events/index.js';
import { EVENT } from '../../../exporter/events/index.js';
import { encodeRemoval, encodeVmError } from '../../../exporter/wire/watch-notification.js';
import { aBatch, rawRecord } from '../../helpers/batches.js';
import { aClient } from '../../helpers/events.js';

function start() {
  const received: Record<string, number> = {};
  const dropped: Record<string, number> = {};
  const decoder = new Decoder(eventDefinitions, {
    received: (source, event, count) =>
      (received[`${source} ${event}`] = (received[`${source} ${event}`] ?? 0) + count),
    dropped: (reason, count) => (dropped[reason] = (dropped[reason] ?? 0) + count),
  });
  const decode = (records: Uint8Array | Uint8Array[], owners: (XeClient | undefined)[] = []): DeviceEvent[] => {
    const events: DeviceEvent[] = [];
    decoder.decode(aBatch(records, owners), (event) => events.push(event));
    return events;
  };
  return { received, dropped, decode };
}

const VM_ERROR = `watch_queue ${EVENT.vmRebindError}`;
const LOST = `watch_queue ${EVENT.eventsLost}`;
const REMOVED = `watch_queue ${EVENT.watchRemoved}`;

for (const length of [16, 17, 24, 127]) {
  test(`a VM error of ${length} bytes`, () => {
    const { decode, received, dropped } = start();
    const record = rawRecord(2, 0, 9, length);
    new DataView(record.buffer).setUint32(8, 0xfffffffe, true);
    new DataView(record.buffer).setInt32(12, -28, true);
    const client = aClient();
    const owners = new Array<XeClient | undefined>(256).fill(undefined);
    owners[9] = client;
    const [event, ...more] = decode([record], owners);
    assert.deepEqual(more, []);
    assert.equal(event?.definition.name, EVENT.vmRebindError);
    assert.equal(event.vmId, 0xfffffffe, 'the VM id is unsigned');
    assert.equal(event.errorCode, -28);
    assert.equal(event.client, client);
    assert.equal(event.device, client.device);
    assert.equal(event.realtimeNs, 1_769_860_800_123_456_789n);
    assert.deepEqual(received, { [VM_ERROR]: 1 });
    assert.deepEqual(dropped, {});
  });
}

for (const length of [8, 12, 15]) {
  test(`a VM error of ${length} bytes is malformed, and the record after it is read`, () => {
    const { decode, received, dropped } = start();
    const events = decode([rawRecord(2, 0, 1, length), encodeVmError(1, 1, -12)]);
    assert.equal(events.length, 1);
    assert.deepEqual(received, { [VM_ERROR]: 1 });
    assert.deepEqual(dropped, { malformed: 1 });
  });
}

test('loss, and removals of 8 and of 16 bytes, are nobody’s', () => {
  const { decode, received } = start();
  const owners = new Array<XeClient | undefined>(256).fill(aClient());
  const events = decode([rawRecord(0, 1, 0, 8), encodeRemoval(3), rawRecord(0, 0, 3, 16)], owners);
  assert.deepEqual(
    events.map(({ definition }) => definition.name),
    [EVENT.eventsLost, EVENT.watchRemoved, EVENT.watchRemoved],
  );
  for (const event of events) {
    assert.deepEqual([event.client, event.device, event.vmId, event.errorCode], [undefined, undefined, 0, 0]);
  }
  assert.deepEqual(received, { [LOST]: 1, [REMOVED]: 2 });
});

test('a newer kernel’s types and subtypes are counted and skipped', () => {
  const { decode, received, dropped } = start();
  const strange = [
    rawRecord(1, 0, 0, 16), // KEY_NOTIFY
    rawRecord(2, 1, 0, 32),
    rawRecord(2, 255, 0, 8),
    rawRecord(0, 2, 0, 8),
    rawRecord(0xffffff, 0, 0, 127),
  ];
  const events = decode([...strange, encodeVmError(0, 1, -12), ...strange]);
  assert.equal(events.length, 1);
  assert.deepEqual(received, { [VM_ERROR]: 1 });
  assert.deepEqual(dropped, { unknown_type: 10 });
});

test('a truncated batch gives what is whole and one malformed record', () => {
  const { decode, received, dropped } = start();
  decode(Buffer.concat([encodeVmError(0, 1, -12), encodeVmError(0, 2, -12)]).subarray(0, 30));
  assert.deepEqual(received, { [VM_ERROR]: 1 });
  assert.deepEqual(dropped, { malformed: 1 });
});

test('an empty batch is nothing', () => {
  const { decode, received, dropped } = start();
  assert.deepEqual(decode([]), []);
  assert.deepEqual([received, dropped], [{}, {}]);
});

test('the sequence counts events without a gap, over batches and past what is dropped', () => {
  const { decode } = start();
  const sequences = [
    ...decode([encodeVmError(0, 1, -12), rawRecord(9, 0, 0, 8), encodeRemoval(0)]),
    ...decode([rawRecord(2, 0, 0, 8)]),
    ...decode([encodeVmError(0, 1, -12)]),
  ].map(({ sequence }) => sequence);
  assert.deepEqual(sequences, [1, 2, 3]);
});

test('each record gets the owner of its own id; an id of nobody gets none', () => {
  const { decode } = start();
  const owners = new Array<XeClient | undefined>(256).fill(undefined);
  owners[0] = aClient({ drmClientId: 1 });
  owners[255] = aClient({ drmClientId: 2 });
  const events = decode(
    [0, 255, 7].map((id) => encodeVmError(id, 1, -12)),
    owners,
  );
  assert.deepEqual(
    events.map(({ client }) => client?.drmClientId),
    [1, 2, undefined],
  );
});
