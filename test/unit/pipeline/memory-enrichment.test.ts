import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { MemoryEnrichment, type MemoryEnrichmentOptions } from '../../../exporter/pipeline/enrich/memory-enrichment.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { engineReset } from '../../../exporter/events/definitions/engine-reset.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import type { MemorySnapshot } from '../../../exporter/host/memory.js';
import { aClient, aDevice, anEvent } from '../../helpers/events.js';
import { manualClock } from '../../helpers/manual-clock.js';

const OTHER = aDevice({ pciBdf: '0000:04:00.0' });

/** An enrichment whose snapshots end when the test says so, in the order in which they were begun. */
function start(t: TestContext, given: Partial<MemoryEnrichmentOptions> = {}) {
  const { now, advance } = manualClock(t);
  const begun: { device: string; client: number | undefined; end: (memory?: MemorySnapshot) => void }[] = [];
  const passed: DeviceEvent[] = [];
  const enrichment = new MemoryEnrichment({
    snapshot: (device, client) =>
      new Promise((resolve) => begun.push({ device: device.pciBdf, client: client?.drmClientId, end: resolve })),
    next: (event) => void passed.push(event),
    now,
    ...given,
  });
  /** What passed since the last call, as sequences, with a + where the memory is known. */
  const take = () => passed.splice(0).map(({ sequence, memory }) => `${sequence}${memory ? '+' : ''}`);
  return { enrichment, begun, take, advance };
}

const memory: MemorySnapshot = {
  device: aDevice(),
  realtimeNs: 0n,
  ageMs: 0,
  regions: [],
  clients: [],
  everyClient: false,
  evictedFor: [],
};

test('without snapshots everything passes at once', (t) => {
  const { enrichment, take } = start(t, { snapshot: undefined });
  enrichment.accept(anEvent({ phase: 'opened' }));
  enrichment.accept(anEvent());
  assert.deepEqual(take(), ['1']);
  assert.equal(enrichment.waiting, 0);
});

test('a rebind OOM waits for its snapshot, which is begun at once; other events do not', async (t) => {
  const { enrichment, begun, take } = start(t);
  enrichment.accept(anEvent({ sequence: 1 }));
  assert.deepEqual([begun[0]?.device, begun[0]?.client], ['0000:03:00.0', 7]);
  enrichment.accept(anEvent({ sequence: 2, client: aClient({ device: OTHER }), errorCode: -62 }));
  enrichment.accept(anEvent({ sequence: 3, client: undefined }));
  assert.deepEqual(take(), ['2', '3']);
  assert.equal(begun.length, 1);
  begun[0]?.end(memory);
  await setImmediate();
  assert.deepEqual(take(), ['1+']);
  assert.equal(enrichment.waiting, 0);
});

test('nothing of a device overtakes: neither an outcome its error, nor a snapshot an earlier one', async (t) => {
  const { enrichment, begun, take } = start(t);
  enrichment.accept(anEvent({ sequence: 1 }));
  enrichment.accept(anEvent({ sequence: 2, definition: vmRebindOutcome }));
  enrichment.accept(anEvent({ sequence: 3, client: aClient({ drmClientId: 8 }) }));
  enrichment.accept(anEvent({ sequence: 4, client: undefined, device: aDevice(), definition: engineReset }));
  begun[1]?.end(memory);
  await setImmediate();
  assert.deepEqual(take(), []);
  begun[0]?.end(memory);
  await setImmediate();
  assert.deepEqual(take(), ['1+', '2', '3+', '4']);
});

test('a snapshot that takes too long or finds nothing is done without', async (t) => {
  const { enrichment, begun, take, advance } = start(t);
  enrichment.accept(anEvent({ sequence: 1 }));
  advance(300);
  enrichment.accept(anEvent({ sequence: 2 }));
  advance(199);
  assert.deepEqual(take(), []);
  advance(1);
  assert.deepEqual(take(), ['1']);
  advance(300);
  assert.deepEqual(take(), ['2']);
  enrichment.accept(anEvent({ sequence: 3 }));
  begun[2]?.end(undefined);
  await setImmediate();
  assert.deepEqual(take(), ['3']);
});

test('a snapshot that fails is done without', async (t) => {
  const failing = start(t, { snapshot: () => Promise.reject(new Error('gone')) });
  failing.enrichment.accept(anEvent({ sequence: 1 }));
  await setImmediate();
  assert.deepEqual(failing.take(), ['1']);
});

test('an incident that waits for its victim has the snapshot of its beginning', async (t) => {
  const { enrichment, begun, take } = start(t);
  const error = anEvent({ sequence: 1, client: undefined, device: aDevice() });
  enrichment.accept({ ...error, phase: 'opened' });
  begun[0]?.end(memory);
  await setImmediate();
  assert.deepEqual(take(), [], 'only its beginning was told');
  enrichment.accept({ ...error, phase: 'concluded' });
  assert.deepEqual(take(), ['1+']);
  assert.equal(begun.length, 1);
  assert.equal(enrichment.waiting, 0);
});

test('where too many wait all of the device pass, in order', async (t) => {
  const { enrichment, begun, take } = start(t, { maxWaiting: 3 });
  for (let sequence = 1; sequence <= 4; sequence++) enrichment.accept(anEvent({ sequence }));
  assert.deepEqual(take(), ['1', '2', '3', '4']);
  for (const { end } of begun) end(memory);
  await setImmediate();
  assert.deepEqual(take(), []);
  assert.equal(enrichment.waiting, 0);
});

test('at the close everything passes; later events do not wait', (t) => {
  const { enrichment, begun, take, advance } = start(t);
  enrichment.accept(anEvent({ sequence: 1, phase: 'opened' }));
  for (const sequence of [2, 3]) enrichment.accept(anEvent({ sequence, client: aClient({ drmClientId: sequence }) }));
  enrichment.accept(anEvent({ sequence: 4, client: aClient({ device: OTHER }) }));
  enrichment.close();
  assert.deepEqual(take(), ['2', '3', '4']);
  enrichment.accept(anEvent({ sequence: 5 }));
  assert.deepEqual(take(), ['5']);
  assert.equal(begun.length, 4);
  assert.equal(enrichment.waiting, 0);
  advance(10_000);
  assert.deepEqual(take(), []);
});
