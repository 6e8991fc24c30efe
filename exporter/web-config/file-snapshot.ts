import { createHash } from 'node:crypto';
import { readSmallFile } from '../config/text-file.js';

/**
 * The files of one load of the configuration, and whether any of them is different now. Contents are compared, not times and
 * inodes. That also works for the symbolic links that Kubernetes swaps, for two writes within one tick of the file system's
 * clock, and for files that appear or disappear. Paths are resolved each time. Only digests are kept.
 */
export class FileSnapshot {
  readonly #seen = new Map<string, string>();

  /** @throws Error whose message is one clause: an errno name, or why it is not valid text */
  read(path: string): string {
    const { digest, text, why } = look(path);
    this.#seen.set(path, digest);
    if (text === undefined) throw new Error(why);
    return text;
  }

  /** Reads all of them again, synchronously: a few files of a few kilobytes. */
  isStale(): boolean {
    return [...this.#seen].some(([path, digest]) => look(path).digest !== digest);
  }
}

function look(path: string): { readonly digest: string; readonly text?: string; readonly why?: string } {
  try {
    const bytes = readSmallFile(path);
    return { digest: createHash('sha256').update(bytes).digest('base64'), text: bytes.toString('utf8') };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code ?? message;
    return { digest: `not readable: ${why}`, why };
  }
}
