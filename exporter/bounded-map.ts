/** A Map with a limit: a new key beyond it takes the place of the key that was set longest ago. */
export class BoundedMap<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  readonly #most: number;
  /** Stands behind the entries that had to leave: a new one would begin with all that a Map remembers of deleted entries. */
  #oldest: IterableIterator<Key> | undefined;
  /** Since an entry had to leave. */
  #sets = 0;

  /** @param most entries kept, at least 1 */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  /** Makes `key` the newest. @returns the entry that had to leave for it */
  set(key: Key, value: Value): readonly [Key, Value] | undefined {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) {
      // V8 keeps each table that the Map has outgrown since for an iterator that waits.
      if (++this.#sets > this.#most) this.#oldest = undefined;
      return undefined;
    }
    this.#sets = 0;
    this.#oldest ??= this.#entries.keys();
    const oldest = this.#oldest.next().value as Key;
    const left = [oldest, this.#entries.get(oldest)!] as const;
    this.#entries.delete(oldest);
    return left;
  }

  delete(key: Key): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#oldest = undefined;
  }

  /** Set longest ago first. */
  [Symbol.iterator](): IterableIterator<[Key, Value]> {
    return this.#entries[Symbol.iterator]();
  }
}
