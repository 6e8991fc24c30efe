// Floods a message reader until its worker is terminated or, as a process, leaves through process.exit() in the middle.
import { parentPort } from 'node:worker_threads';
import { drainMessages, KMSG, makeMessageReader } from '../message-harness.js';

const [, , when, how] = process.argv;
const line = Buffer.from('6,1,1,-;xe 0000:03:00.0: a line');
let calls = 0;

const reader = makeMessageReader({
  ...KMSG,
  onReady: () => {
    calls++;
    if (when === 'in-callback' && calls > 20) process.exit(0);
    drainMessages(reader);
  },
});
reader.open();

function post(): void {
  for (let i = 0; i < 100; i++) reader.post(line);
  reader.postError(32);
}

if (when === 'blocked') {
  parentPort?.postMessage('flooding');
  const until = performance.now() + 100;
  while (how !== 'exit' || performance.now() < until) post();
  process.exit(0);
}

function turn(): void {
  post();
  if (calls > 5) parentPort?.postMessage('flooding');
  if (how === 'exit' && when !== 'in-callback' && calls > 20) process.exit(0);
  setImmediate(turn);
}
turn();
