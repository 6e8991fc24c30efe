/**
 * The least that JavaScript can do with the records of a notification pipe: wait for them and add each to a counter. Reads until
 * the writer is gone, and prints when it had counted each as JSON, as reader.c does.
 */
import { openSync } from 'node:fs';
import { Socket } from 'node:net';
import { hrtime } from 'node:process';
import { VM_ERR_BYTES } from '../../../exporter/wire/watch-notification.js';

const ERROR_CODE_OFFSET = 12;

const [fifo = ''] = process.argv.slice(2);
const counts = new Map<number, number>();
const times: bigint[] = [];
// Waits for the writer.
const pipe = new Socket({ fd: openSync(fifo, 'r'), readable: true, writable: false });
pipe.on('data', (bytes) => {
  const before = times.length;
  for (let offset = 0; offset < bytes.length; offset += VM_ERR_BYTES) {
    const code = bytes.readInt32LE(offset + ERROR_CODE_OFFSET);
    counts.set(code, (counts.get(code) ?? 0) + 1);
    times.push(0n);
  }
  times.fill(hrtime.bigint(), before);
});
pipe.on('end', () => {
  const records = [...counts.values()].reduce((sum, count) => sum + count, 0);
  process.stdout.write(JSON.stringify({ records, countedNs: times.map(String) }));
});
