import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** Far more than any configuration needs. */
const MOST_BYTES = 1024 * 1024;

/**
 * Reads a small regular file, synchronously. A named pipe or a device is refused at once: it might block for ever, or never end.
 *
 * @throws Error whose code is an errno, or whose message is one clause that says what the file is
 */
export function readSmallFile(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error('it is not a regular file');
    if (stat.size > MOST_BYTES) throw new Error('it is larger than 1 MiB');
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
