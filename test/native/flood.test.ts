import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../helpers/wait-for.js';
import { contents, drainAll, makeReader, manyNumbered, opened } from './harness.js';

const BURST = 100;
const burst = manyNumbered(0, BURST);

/** Posts for `ms` without giving the event loop a turn; returns what was posted and what the rings dropped. */
function flood(reader: ReturnType<typeof makeReader>, pipes: readonly number[], ms: number) {
  const until = performance.now() + ms;
  let posted = 0;
  let dropped = 0;
  while (performance.now() < until) {
    for (const pipe of pipes) {
      dropped += reader.post(pipe, burst) as number;
      posted += BURST;
    }
  }
  return { posted, dropped };
}

for (const queueBytes of [100, 4096, 100_001, 8 << 20]) {
  test(`a flood while JavaScript is busy adds up exactly, queue of ${queueBytes} bytes`, async (t) => {
    let calls = 0;
    const reader = makeReader({ queueBytes, onReady: () => calls++ });
    t.after(() => reader.close());
    const pipes = [opened(reader.open(512)), opened(reader.open(32)), opened(reader.open(256))];

    const { posted, dropped } = flood(reader, pipes, queueBytes === 8 << 20 ? 2_000 : 300);
    reader.close();

    const stats = reader.stats();
    const all = contents(drainAll(reader));
    assert.equal(calls, 0, 'no callback ran while JavaScript was busy');
    // With one CPU, the reader thread hardly runs during the flood, and a large queue may suffice.
    if (queueBytes < 1 << 20) assert.ok(stats.recordsDropped > 0, 'the queue was too small, as meant');
    assert.ok(stats.queuedBytesPeak <= queueBytes);
    assert.equal(stats.queuedBytesPeak % 8, 0);
    assert.equal(all.length, stats.recordsRead - stats.recordsDropped, 'read = drained + dropped');

    // Every record is 16 bytes long but the LOSS records, of 8.
    const losses = (stats.recordsRead * 16 - stats.bytesRead) / 8;
    assert.equal(stats.recordsRead, posted - dropped + losses, 'posted = read + dropped by the ring');
    assert.equal(reader.stats().queuedBytes, 0);
  });
}

test('the queue goes on after a flood', async (t) => {
  let calls = 0;
  const reader = makeReader({ queueBytes: 64 << 10, onReady: () => calls++ });
  t.after(() => reader.close());
  const pipe = opened(reader.open(512));
  const { posted, dropped } = flood(reader, [pipe], 100);
  await waitFor(() => calls === 1, { what: 'the wake-up' });
  // What is in the ring now is still being read; rest is when the counters add up.
  await waitFor(
    () => {
      const { recordsRead, bytesRead } = reader.stats();
      return recordsRead - (recordsRead * 16 - bytesRead) / 8 === posted - dropped;
    },
    { what: 'the rings to be empty' },
  );
  drainAll(reader);
  reader.post(pipe, manyNumbered(1_000_000, 3));
  await waitFor(() => calls === 2, { what: 'the next wake-up' });
  assert.deepEqual(contents(drainAll(reader)), [1_000_000, 1_000_001, 1_000_002]);
});
