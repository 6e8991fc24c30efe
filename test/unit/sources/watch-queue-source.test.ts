import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ClientEntry } from '../../../exporter/clients/client-table.js';
import { eventDefinitions } from '../../../exporter/events/index.js';
import type { WatchSupport } from '../../../exporter/sources/watch-queue/probe.js';
import { encodeRemoval, encodeVmError, META_SUBTYPE, WATCH_TYPE } from '../../../exporter/wire/watch-notification.js';
import { ACTIVE, WatchedNode, type Seen, type WatchedNodeOptions } from '../../helpers/watched-node.js';
import { aDevice } from '../../helpers/events.js';
import { waitFor } from '../../helpers/wait-for.js';

async function start(t: TestContext, options: WatchedNodeOptions = {}): Promise<WatchedNode> {
  const node = await new WatchedNode(options).start();
  t.after(() => node.source.stop());
  return node;
}

const isLoss = ({ type, subtype }: Seen) => type === WATCH_TYPE.META && subtype === META_SUBTYPE.LOSS;
const isError = ({ type }: Seen) => type === WATCH_TYPE.DRM_XE_NOTIFY;
const vmError = (watchId: number) => encodeVmError(watchId, 1, -12);
const owners = (seen: readonly Seen[]) => seen.map(({ owner }) => owner?.drmClientId);

/** Fills the ring of pipe 0 past its end within one call, so that records are lost. */
function overflow(node: WatchedNode, watchId = 0): void {
  const flood = Buffer.concat(Array.from({ length: 4_000 }, () => vmError(watchId)));
  while (node.reader.post(0, flood) === 0);
}

/** Where a client's watch is. */
async function idOf(node: WatchedNode, entry: ClientEntry): Promise<number> {
  const before = node.seen.length;
  assert.ok(node.source.post(entry, vmError), 'it is watched');
  await waitFor(() => node.seen.length > before, { what: 'its event' });
  const seen = node.seen.findLast(isError)!;
  assert.equal(seen.owner, entry.client);
  return seen.watchId;
}

test('an event reaches the handler with the client it belongs to', async (t) => {
  const node = await start(t);
  const [a, b] = [await node.arriveWatched(1), await node.arriveWatched(2)];
  node.source.post(b, vmError);
  node.source.post(a, vmError);
  await waitFor(() => node.seen.length === 2, { what: 'both events' });
  assert.deepEqual(owners(node.seen), [2, 1]);
});

test('600 clients take three pipes, and every event finds its own', async (t) => {
  const node = await start(t);
  const entries = Array.from({ length: 600 }, (_, id) => node.arrive(id));
  await waitFor(() => entries.every(({ watched }) => watched), { what: '600 watches' });
  for (const entry of entries) {
    node.source.post(entry, vmError);
    if (entry.client.drmClientId % 100 === 99) {
      const so_far = entry.client.drmClientId + 1;
      await waitFor(() => node.seen.length === so_far, { what: `${so_far} events` });
    }
  }
  assert.deepEqual(
    owners(node.seen).sort((a, b) => a! - b!),
    entries.map(({ client }) => client.drmClientId),
  );
  assert.equal(node.reader.open(32), 3);
});

test('an id is used again only after its removal was read', async (t) => {
  const node = await start(t);
  const entries: ClientEntry[] = [];
  for (let id = 0; id < 256; id++) entries.push(node.arrive(id));
  await waitFor(() => entries.every(({ watched }) => watched), { what: 'a full pipe' });
  const leaving = entries[100]!;
  const freed = await idOf(node, leaving);
  node.look(...entries.filter((entry) => entry !== leaving)); // in no process any more: not proof enough
  const second = await node.arriveWatched(1000);
  assert.equal(node.source.post(second, vmError), true);
  await waitFor(() => owners(node.seen).includes(1000), { what: 'its event' });

  node.source.post(leaving, encodeRemoval);
  await waitFor(() => node.clients.get(100) === undefined, { what: 'the removal' });
  const heir = await node.arriveWatched(1001);
  assert.equal(await idOf(node, heir), freed);
});

test('events in front of a removal are the old owner’s, those behind it nobody’s, in one batch', async (t) => {
  const node = await start(t);
  const entry = await node.arriveWatched(1);
  const id = await idOf(node, entry);
  node.seen.length = 0;
  node.reader.post(0, Buffer.concat([vmError(id), vmError(id), encodeRemoval(id)]));
  await waitFor(() => node.seen.length === 3, { what: 'the batch' });
  assert.deepEqual(owners(node.seen), [1, 1, 1]);
  node.reader.post(0, vmError(id));
  await waitFor(() => node.seen.length === 4, { what: 'the late event' });
  assert.equal(node.seen[3]?.owner, undefined);
});

test('a handler that looks at the table sees the client until after its last batch', async (t) => {
  const node = await start(t);
  const entry = await node.arriveWatched(1);
  const present: boolean[] = [];
  node.onBatch = () => present.push(node.clients.get(1) === entry);
  node.source.post(entry, encodeRemoval);
  await waitFor(() => node.clients.get(1) === undefined, { what: 'the removal' });
  assert.deepEqual(present, [true]);
});

test('a removal of an id that is nobody’s is nothing', async (t) => {
  const node = await start(t);
  const entry = await node.arriveWatched(1);
  node.reader.post(0, Buffer.concat([encodeRemoval(200), encodeRemoval(201)]));
  await waitFor(() => node.seen.length === 2, { what: 'the removals' });
  assert.equal(node.clients.get(1), entry);
});

test('after a loss a client that is gone is given up at the second look, its id rests, and others stay', async (t) => {
  const node = await start(t);
  const [gone, there] = [await node.arriveWatched(1), await node.arriveWatched(2)];
  const id = await idOf(node, gone);
  overflow(node, id);
  await waitFor(() => node.seen.some(isLoss), { what: 'the loss' });
  assert.ok(gone.removalMayBeLost && there.removalMayBeLost);
  node.look(there);
  assert.equal(node.clients.get(1), gone);
  node.look(there);
  assert.equal(node.clients.get(1), undefined);
  assert.equal(node.clients.get(2)?.watched, true);
  assert.equal(there.removalMayBeLost, false);
  // What was under way under its id is still its own.
  node.seen.length = 0;
  node.reader.post(0, vmError(id));
  await waitFor(() => node.seen.some(isError), { what: 'the late event' });
  assert.deepEqual(owners(node.seen), [1]);
  node.look(there);
  node.look(there);
  node.reader.post(0, vmError(id));
  await waitFor(() => node.seen.length === 2, { what: 'the very late event' });
  assert.deepEqual(owners(node.seen), [1, undefined]);
});

test('a removal that comes after the client was given up frees its id once', async (t) => {
  const node = await start(t);
  const entry = await node.arriveWatched(1);
  const id = await idOf(node, entry);
  node.clients.suspect(entry);
  node.look();
  node.look();
  node.reader.post(0, encodeRemoval(id));
  await waitFor(() => node.seen.some(({ type }) => type === WATCH_TYPE.META), { what: 'the removal' });
  for (let i = 0; i < 3; i++) node.look();
  const clients = await Promise.all(Array.from({ length: 256 }, (_, n) => node.arriveWatched(1000 + n)));
  const ids = new Set<number>();
  for (const client of clients) ids.add(await idOf(node, client));
  assert.equal(ids.size, 256);
});

test('records dropped for want of room in our own queue raise the same doubt as a loss', async (t) => {
  const node = await start(t, { queueBytes: 4096 });
  const entry = await node.arriveWatched(1);
  const many = Buffer.concat(Array.from({ length: 100 }, () => vmError(0)));
  const deadline = performance.now() + 60_000;
  while (node.reader.stats().recordsDropped === 0 && performance.now() < deadline) node.reader.post(0, many);
  await waitFor(() => node.dropped > 0, { what: 'the drop to be counted' });
  assert.ok(entry.removalMayBeLost);
  await node.source.stop();
  assert.equal(node.dropped, node.reader.stats().recordsDropped);
  assert.equal(node.queuePeak, node.reader.stats().queuedBytesPeak);
});

test('a flood leaves the event loop its turns', async (t) => {
  const node = await start(t);
  const many = Buffer.concat(Array.from({ length: 512 }, () => vmError(0)));
  let batches = 0;
  // Every batch is answered with more than it took: a drain that waits for an empty queue would never end.
  let flooding = true;
  node.onBatch = () => {
    batches++;
    if (flooding) node.reader.post(0, many);
  };
  node.reader.post(0, many);
  for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
  await waitFor(() => batches > 100, { what: 'the flood' });
  flooding = false;
});

test('new wishes replace the filter on pipes that are running', async (t) => {
  const node = await start(t);
  const entry = await node.arriveWatched(1);
  assert.equal(node.source.want([]), undefined);
  node.source.post(entry, vmError);
  node.source.post(entry, (id) => new Uint8Array([2, 0, 0, 1, 8, id, 0, 0]));
  assert.equal(node.source.want(eventDefinitions), undefined);
  node.source.post(entry, vmError);
  await waitFor(() => node.seen.length > 0, { what: 'an event' });
  assert.equal(node.seen.length, 1, 'what was not wanted did not pass');
});

test('stopping twice is stopping once, and what was read before is delivered', async (t) => {
  const node = await start(t);
  const entry = await node.arriveWatched(1);
  for (let i = 0; i < 100; i++) node.source.post(entry, vmError);
  const first = node.source.stop();
  assert.equal(node.source.stop(), first);
  await first;
  assert.equal(node.seen.length, 100);
  assert.equal(node.source.up, false);
  assert.equal(node.source.post(entry, vmError), true);
  node.arrive(2);
  node.look(entry);
  await node.source.deviceAdded(aDevice());
  assert.equal(node.seen.length, 100);
});

test('a source that was never started stops, too', async () => {
  const node = new WatchedNode();
  assert.equal(node.source.up, false);
  await node.source.stop();
});

test('without notification pipes the source is down and says why; nothing is watched', async (t) => {
  const node = new WatchedNode({ refuseOpen: () => ({ operation: 'pipe2', errno: 65 }) });
  t.after(() => node.source.stop());
  await node.start();
  assert.equal(node.source.up, false);
  const [report] = node.features.all();
  assert.equal(report?.state, 'unsupported');
  assert.match(report?.reason ?? '', /CONFIG_WATCH_QUEUE/);
  node.arrive(1);
  assert.equal(node.source.want([]), undefined);
  assert.deepEqual(node.failures, []);
});

const UNSUPPORTED: WatchSupport = { request: undefined, state: 'unsupported', reason: 'none', fix: 'x', retry: false };

test('clients wait until the ioctl of their device is proven', async (t) => {
  let prove: (support: WatchSupport) => void = () => undefined;
  const node = new WatchedNode({ probe: () => new Promise((resolve) => (prove = resolve)) });
  t.after(() => node.source.stop());
  const starting = node.start();
  const entry = node.arrive(1);
  node.look(entry);
  assert.equal(node.source.post(entry, vmError), false);
  await new Promise((resolve) => setImmediate(resolve));
  prove(ACTIVE);
  await starting;
  await waitFor(() => entry.watched, { what: 'the watch' });
});

test('a device without the ioctl is unsupported and its clients are left alone', async (t) => {
  const node = await start(t, { probe: async () => UNSUPPORTED });
  const entry = node.arrive(1);
  for (let i = 0; i < 3; i++) node.look(entry);
  assert.equal(node.source.up, false);
  assert.deepEqual(node.failures, []);
  assert.deepEqual(
    node.features.all().map(({ feature, state }) => [feature, state]),
    [['watch_queue', 'unsupported']],
  );
});

test('one device that can be watched is enough to be up', async (t) => {
  const node = await start(t, { probe: async ({ pciBdf }) => (pciBdf === '0000:04:00.0' ? ACTIVE : UNSUPPORTED) });
  assert.equal(node.source.up, false);
  const second = aDevice({ pciBdf: '0000:04:00.0' });
  await node.source.deviceAdded(second);
  assert.equal(node.source.up, true);
  assert.equal(node.features.all()[0]?.state, 'active');
  node.source.deviceRemoved(second);
  assert.equal(node.source.up, false);
});

test('an answer that can change is asked for again at every look, one that cannot is not', async (t) => {
  let probes = 0;
  const answers = [{ ...UNSUPPORTED, retry: true }, { ...UNSUPPORTED, retry: true }, ACTIVE];
  const node = await start(t, { probe: async () => answers[probes++] ?? assert.fail('asked once too often') });
  const entry = node.arrive(1);
  for (let i = 0; i < 5; i++) {
    node.look(entry);
    await node.source.settled();
  }
  assert.equal(probes, 3);
  await waitFor(() => entry.watched, { what: 'the watch' });
});

test('a device that leaves while it is probed is not remembered', async (t) => {
  let prove: (support: WatchSupport) => void = () => undefined;
  const node = new WatchedNode({ probe: () => new Promise((resolve) => (prove = resolve)) });
  t.after(() => node.source.stop());
  const starting = node.start();
  await new Promise((resolve) => setImmediate(resolve));
  node.source.deviceRemoved(node.device);
  prove(UNSUPPORTED);
  await starting;
  assert.equal(node.source.up, true, 'a node without devices is idle, not down');
  assert.deepEqual(
    node.features.all().map(({ feature, state }) => [feature, state]),
    [['watch_queue', 'disabled']],
  );
});
