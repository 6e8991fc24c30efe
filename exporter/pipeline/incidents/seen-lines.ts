import { BoundedMap } from '../../bounded-map.js';

/** More than the kernel log holds lines of the driver. */
const MAX_SEEN = 4096;

/** Kernel log lines that were read before, by their sequence number: after a restart the source can read some of them again. */
export class SeenLines {
  readonly #seen = new BoundedMap<number, true>(MAX_SEEN);

  /** @returns whether the line was read before; from now on it was */
  readBefore(sequence: number): boolean {
    if (this.#seen.has(sequence)) return true;
    this.#seen.set(sequence, true);
    return false;
  }
}
