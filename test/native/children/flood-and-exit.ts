// Floods a reader and leaves through process.exit() in the middle, in the way its argument names.
import { drainAll, makeReader, manyNumbered, opened } from '../harness.js';

const when = process.argv[2];
const burst = manyNumbered(0, 500);
let calls = 0;

const reader = makeReader({
  onReady: () => {
    calls++;
    if (when === 'in-callback' && calls > 20) process.exit(0);
    drainAll(reader);
  },
});
const pipes = [opened(reader.open(512)), opened(reader.open(512))];

function post(): void {
  for (const pipe of pipes) reader.post(pipe, burst);
}

if (when === 'blocked') {
  const until = performance.now() + 100;
  while (performance.now() < until) post();
  process.exit(0);
}

function turn(): void {
  for (let i = 0; i < 10; i++) post();
  if (when === 'with-borrows') {
    const request = { pid: process.pid, startTime: 0n, fd: 0, major: 1, minor: 3, pipe: 0, watchId: 1, request: 0 };
    void reader.borrow(request);
  }
  if (when !== 'in-callback' && calls > 20) process.exit(0);
  setImmediate(turn);
}
turn();
