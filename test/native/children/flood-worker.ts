// A worker that floods its own reader until it is terminated, or counts what it receives.
import { parentPort } from 'node:worker_threads';
import { contents, drainAll, makeReader, manyNumbered, opened } from '../harness.js';

const when = process.argv[2];
const burst = manyNumbered(0, 100);
let received = 0;

const reader = makeReader({
  queueBytes: 8 << 20,
  onReady: () => {
    received += contents(drainAll(reader)).length;
    if (when === 'count' && received === 20_000) parentPort?.postMessage(received);
  },
});
const pipe = opened(reader.open(512));

function turn(): void {
  reader.post(pipe, burst);
  if (when === 'with-borrows') {
    const request = { pid: process.pid, startTime: 0n, fd: 0, major: 1, minor: 3, pipe, watchId: 1, request: 0 };
    for (let i = 0; i < 10; i++) void reader.borrow(request);
  }
  if (received > 1_000) parentPort?.postMessage('flooding');
  setImmediate(turn);
}

if (when === 'blocked') {
  parentPort?.postMessage('flooding');
  for (;;) reader.post(pipe, burst);
}
if (when === 'count') {
  for (let sent = 0; sent < 20_000; sent += 100) {
    while (reader.post(pipe, burst) !== 0) throw new Error('the ring was full');
    while (reader.stats().recordsRead < sent + 100);
  }
} else {
  turn();
}
