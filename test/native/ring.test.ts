import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../helpers/wait-for.js';
import { Collector, META_LOSS, META_REMOVAL, WATCH_TYPE_META, WATCH_TYPE_XE } from './harness.js';
import { drainAll, isLoss, makeReader, manyNumbered, numbered, opened, range, record } from './harness.js';

const EINVAL = 22;
const EBADF = 9;
const nothing = new Uint8Array(0);

test('an overflow is reported by one LOSS record behind the last record that fitted', async (t) => {
  const collector = new Collector();
  t.after(() => collector.reader.close());
  const pipe = collector.openPipe(64);
  // One post is atomic for the reader, so exactly the ring's size survives.
  assert.equal(collector.reader.post(pipe, manyNumbered(0, 100)), 36);
  await waitFor(() => collector.contents().length === 65, { what: '64 records and the owed LOSS record' });
  assert.deepEqual(collector.contents(), [...range(0, 64), 'loss']);
  // The emptied ring owed it: it came from a read of its own, which epoll never asked for.
  assert.equal(collector.reader.stats().reads, 2);

  collector.reader.post(pipe, numbered(100));
  await waitFor(() => collector.contents().length === 66, { what: 'the record after the loss' });
  assert.equal(collector.contents().at(-1), 100);
});

test('ring sizes follow the kernel: whole pages of 32, at most 512', (t) => {
  const reader = makeReader();
  t.after(() => reader.close());
  assert.deepEqual(reader.open(0), { operation: 'set_size', errno: EINVAL });
  assert.deepEqual(reader.open(513), { operation: 'set_size', errno: EINVAL });
  assert.equal(reader.post(opened(reader.open(1)), manyNumbered(0, 40)), 8);
  assert.equal(reader.post(opened(reader.open(33)), manyNumbered(0, 70)), 6);
  assert.equal(reader.post(opened(reader.open(512)), manyNumbered(0, 600)), 88);
});

test('a filter passes the types and subtypes it names', async (t) => {
  const collector = new Collector();
  t.after(() => collector.reader.close());
  const pipe = collector.openPipe();
  const post = (type: number, subtype: number): void => {
    assert.equal(collector.reader.post(pipe, record(type, subtype, nothing)), 0);
  };
  const received = (): string[] =>
    collector.batches.flatMap(({ records }) =>
      records.map((bytes) => `${bytes.readUIntLE(0, 3)}/${bytes.readUInt8(3)}`),
    );

  assert.equal(collector.reader.setFilter(pipe, new Uint32Array([WATCH_TYPE_XE, 0b101, 9, 1 << 31])), undefined);
  for (const subtype of [0, 1, 2, 3, 31, 32, 255]) post(WATCH_TYPE_XE, subtype);
  for (const subtype of [0, 31, 63]) post(9, subtype);
  post(1, 0);
  post(WATCH_TYPE_META, META_REMOVAL);
  post(WATCH_TYPE_META, META_LOSS);
  const filtered = ['2/0', '2/2', '9/31', '0/0', '0/1'];
  await waitFor(() => received().length >= filtered.length, { what: 'the records that pass' });
  assert.deepEqual(received(), filtered);

  assert.equal(collector.reader.setFilter(pipe, new Uint32Array()), undefined);
  post(1, 7);
  await waitFor(() => received().length > filtered.length, { what: 'a record without a filter' });
  assert.deepEqual(received(), [...filtered, '1/7']);
});

test('filtered records take no slot of the ring', (t) => {
  const reader = makeReader();
  t.after(() => reader.close());
  const pipe = opened(reader.open(32));
  reader.setFilter(pipe, new Uint32Array([1, 1]));
  assert.equal(reader.post(pipe, manyNumbered(0, 500)), 0);
});

test('a filter of more than 16 entries is refused and changes nothing', (t) => {
  const reader = makeReader();
  t.after(() => reader.close());
  const pipe = opened(reader.open(32));
  assert.equal(reader.setFilter(pipe, new Uint32Array(32)), undefined);
  assert.deepEqual(reader.setFilter(pipe, new Uint32Array(34)), { operation: 'set_filter', errno: EINVAL });
  assert.deepEqual(reader.setFilter(pipe + 1, new Uint32Array()), { operation: 'set_filter', errno: EBADF });
});

test('only whole records can be posted, and none of a broken lot', async (t) => {
  const reader = makeReader();
  t.after(() => reader.close());
  const pipe = opened(reader.open(32));
  const refusal = { operation: 'post', errno: EINVAL };
  const lies = [0, 1, 7, 9, 127].map((length) => record(WATCH_TYPE_XE, 0, nothing, length));
  for (const broken of [...lies, Buffer.alloc(4), Buffer.concat([numbered(0), Buffer.alloc(7)])]) {
    assert.deepEqual(reader.post(pipe, broken), refusal);
  }
  assert.equal(reader.post(pipe, nothing), 0);
  assert.equal(reader.post(pipe, numbered(1)), 0);
  await waitFor(() => reader.stats().queuedBytes > 0, { what: 'the good record' });
  assert.equal(drainAll(reader).flatMap(({ records }) => records).length, 1);
});

test('a loss comes before anything newer', async (t) => {
  const collector = new Collector();
  t.after(() => collector.reader.close());
  const pipe = collector.openPipe(32);
  for (let round = 0; round < 200; round++) {
    collector.reader.post(pipe, manyNumbered(round * 100, 100));
    if (round % 3 === 0) await new Promise(setImmediate);
  }
  await waitFor(() => collector.reader.stats().queuedBytes === 0 && collector.contents().length > 0, {
    what: 'the reader to come to rest',
  });
  const all = collector.batches.flatMap(({ records }) => records);
  assert.ok(all.some(isLoss));
  // Wherever the numbers jump, a LOSS record stands in the gap.
  const contents = collector.contents();
  for (let i = 1; i < contents.length; i++) {
    const [previous, current] = [contents[i - 1], contents[i]];
    if (typeof previous === 'number' && typeof current === 'number') assert.equal(current, previous + 1);
  }
});
