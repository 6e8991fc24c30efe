/** A Map with a limit: a new key beyond it takes the place of the key that was set longest ago. */
export class BoundedMap<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  readonly #most: number;
  /** Stands behind the entries that had to leave: a new one would begin with all that a Map remembers of deleted entries. */
  #oldest: IterableIterator<Key>;

  /** @param most entries kept, at least 1 */
  constructor(most: number) {
    this.#most = most;
    this.#oldest = this.#entries.keys();
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
    if (this.#entries.size <= this.#most) return undefined;
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
    this.#oldest = this.#entries.keys();
  }

  /** Set longest ago first. */
  [Symbol.iterator](): IterableIterator<[Key, Value]> {
    return this.#entries[Symbol.iterator]();
  }
}
