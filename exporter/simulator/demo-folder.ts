import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** In a container whose root is read-only, shared memory is the one folder that can be written. */
const SHARED_MEMORY = '/dev/shm';

/** A folder of the demo's own. @throws the file system's error where there is no place for one */
export function makeDemoFolder(): string {
  let refusal: unknown;
  for (const folder of [tmpdir(), SHARED_MEMORY]) {
    try {
      return mkdtempSync(join(folder, 'xe-exporter-demo-'));
    } catch (error) {
      refusal = error;
    }
  }
  throw refusal;
}
