// A worker that watches a directory until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import { addon } from '../harness.js';

let seen = 0;
const watch = new addon.DirectoryWatch({
  path: String(workerData),
  onReady: () => {
    seen += watch.drain().created.length;
    if (seen >= 100) parentPort?.postMessage('seen');
  },
});
const failure = watch.open();
parentPort?.postMessage(failure === undefined ? 'open' : JSON.stringify(failure));
