// Opens a pipe with a full descriptor table, giving back one descriptor after each refusal. Prints what it saw as JSON.
import { closeSync, openSync } from 'node:fs';
import type { NativeFailure } from '../../../exporter/native/binding.js';
import { drainAll, makeReader, numbered } from '../harness.js';

const reader = makeReader({
  onReady: () => {
    console.log(JSON.stringify({ refusals, readAfterwards: drainAll(reader).length === 1 }));
    reader.close();
  },
});

const held: number[] = [];
try {
  for (;;) held.push(openSync('/dev/null', 'r'));
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
}

const refusals: NativeFailure[] = [];
for (;;) {
  const pipe = reader.open(32);
  if (typeof pipe === 'number') {
    for (const fd of held) closeSync(fd);
    reader.post(pipe, numbered(0));
    break;
  }
  refusals.push(pipe);
  closeSync(held.pop() ?? -1);
}
