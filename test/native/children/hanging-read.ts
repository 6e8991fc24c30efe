/** Starts a read that hangs, of the FIFO it is given as its first argument or as worker data. */
import { argv, exit } from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import { loadNative } from '../../../exporter/native/load.js';

const path = (workerData as string | null) ?? argv[2]!;
loadNative().startReads([{ kind: 'file', path }], () => undefined);
parentPort?.postMessage('started');
if (parentPort !== null) setInterval(() => undefined, 1_000);
if (argv[3] === 'exit') exit(0);
