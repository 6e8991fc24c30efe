import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../helpers/wait-for.js';
import { Collector, addon, contents, drainAll, makeReader } from './harness.js';
import { manyNumbered, numbered, opened, range, record } from './harness.js';

test('records arrive complete and in order', async (t) => {
  const collector = new Collector();
  t.after(() => collector.reader.close());
  const pipe = collector.openPipe();
  const total = 50_000;
  for (let sent = 0; sent < total;) {
    // The ring drops what does not fit; a burst of its size is only posted once it has been read empty.
    assert.equal(collector.reader.post(pipe, manyNumbered(sent, 500)), 0);
    sent += 500;
    await waitFor(() => collector.reader.stats().recordsRead === sent, { what: 'the burst to be read' });
  }
  await waitFor(() => collector.contents().length === total, { what: 'all records' });
  assert.deepEqual(collector.contents(), range(0, total));
});

test('a batch header tells pipe, length and the two times of the read', async (t) => {
  const collector = new Collector();
  t.after(() => collector.reader.close());
  const pipes = [collector.openPipe(), collector.openPipe(), collector.openPipe()];
  assert.deepEqual(pipes, [0, 1, 2]);

  const before = { realtime: BigInt(Date.now() - 1) * 1_000_000n, monotonic: process.hrtime.bigint() };
  collector.reader.post(2, numbered(7));
  await waitFor(() => collector.batches.length === 1, { what: 'the batch' });
  const after = { realtime: BigInt(Date.now() + 1) * 1_000_000n, monotonic: process.hrtime.bigint() };

  const [batch] = collector.batches;
  assert.ok(batch);
  assert.equal(batch.pipe, 2);
  assert.deepEqual(contents([batch]), [7]);
  assert.ok(before.realtime <= batch.realtimeNs && batch.realtimeNs <= after.realtime);
  assert.ok(before.monotonic <= batch.monotonicNs && batch.monotonicNs <= after.monotonic);
});

test('batches stay aligned whatever the record lengths', async (t) => {
  const collector = new Collector();
  t.after(() => collector.reader.close());
  const pipe = collector.openPipe();
  const payloads = range(0, 120).map((length) => Buffer.alloc(length, length));
  for (const payload of payloads) {
    collector.reader.post(pipe, record(2, 0, payload));
    await waitFor(() => collector.reader.stats().queuedBytes === 0, { what: 'an empty queue' });
  }
  await waitFor(() => collector.batches.flatMap(({ records }) => records).length === 120, { what: 'all lengths' });
  const received = collector.batches.flatMap(({ records }) => records.map((bytes) => bytes.subarray(8)));
  assert.deepEqual(received.map(String), payloads.map(String));
});

test('one wake-up is under way at a time, and the next follows an emptied queue', async (t) => {
  let calls = 0;
  const reader = makeReader({ onReady: () => calls++ });
  t.after(() => reader.close());
  const pipe = opened(reader.open(64));

  for (let i = 0; i < 20; i++) {
    reader.post(pipe, numbered(i));
    await waitFor(() => reader.stats().recordsRead === i + 1, { what: 'the record to be read' });
  }
  await waitFor(() => calls === 1, { what: 'the wake-up' });
  assert.equal(reader.stats().wakeups, 1);

  assert.deepEqual(contents(drainAll(reader)), range(0, 20));
  reader.post(pipe, numbered(20));
  await waitFor(() => calls === 2, { what: 'the second wake-up' });
  assert.equal(reader.drain(new Uint8Array(addon.minDrainBytes)), 48);
});

test('a wake-up that finds the queue drained is not delivered, and the next one is', async (t) => {
  let calls = 0;
  const reader = makeReader({ onReady: () => calls++ });
  t.after(() => reader.close());
  const pipe = opened(reader.open(32));
  reader.post(pipe, numbered(0));
  // Without giving the event loop a turn, so the wake-up is still on its way.
  while (reader.stats().queuedBytes === 0);
  drainAll(reader);
  await new Promise(setImmediate);
  reader.post(pipe, numbered(1));
  await waitFor(() => reader.stats().recordsRead === 2 && calls > 0, { what: 'the second record' });
  assert.equal(calls, 1);
  assert.equal(reader.stats().wakeups, 1);
});

test('drain hands out whole batches as they fit and keeps the rest', (t) => {
  const reader = makeReader({ queueBytes: 4 << 20 });
  t.after(() => reader.close());
  const pipe = opened(reader.open(512));
  for (let batch = 0; batch < 40; batch++) {
    reader.post(pipe, manyNumbered(batch * 500, 500));
    while (reader.stats().recordsRead < (batch + 1) * 500);
  }
  const small = new Uint8Array(addon.minDrainBytes);
  const sizes: number[] = [];
  for (let written; (written = reader.drain(small)) > 0;) sizes.push(written);
  assert.ok(sizes.length > 1 && sizes.every((size) => size <= small.length));
  assert.equal(reader.stats().queuedBytes, 0);
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    40 * 500 * 16 + 32 * reader.stats().reads,
  );
});

test('what was posted before close is read, and can be drained after it', () => {
  const reader = makeReader();
  const pipe = opened(reader.open(512));
  reader.post(pipe, manyNumbered(0, 600));
  reader.close();
  // Drained in between, the ring may have taken more than its size; whatever it took is there.
  const received = contents(drainAll(reader)).filter((entry) => entry !== 'loss');
  assert.ok(received.length >= 512);
  assert.deepEqual(received.slice(0, 512), range(0, 512));
  assert.equal(reader.drain(new Uint8Array(addon.minDrainBytes)), 0);
});

test('many pipes are read side by side, and a busy one does not starve the others', async (t) => {
  const collector = new Collector();
  t.after(() => collector.reader.close());
  const pipes = range(0, 200).map(() => collector.openPipe(32));
  const burst = manyNumbered(0, 400);
  const busy = pipes[0] ?? 0;
  for (const pipe of pipes.slice(1)) {
    collector.reader.post(busy, burst);
    collector.reader.post(pipe, numbered(pipe));
  }
  await waitFor(() => new Set(collector.batches.map((batch) => batch.pipe)).size === pipes.length, {
    what: 'a batch of every pipe',
  });
});
