/** The most that are remembered of one device; a power of two. */
const MAX_LENGTH = 4_096;
const MASK = MAX_LENGTH - 1;

/**
 * Reports that name their client and are published, as time and drm-client-id only: a storm of them allocates nothing. In the order they
 * came; bounded: the oldest goes.
 */
export class CompleteReports {
  readonly #at = new Float64Array(MAX_LENGTH);
  readonly #client = new Float64Array(MAX_LENGTH);
  /** Both count up forever; the place of a report is its number modulo the length. */
  #first = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#first;
  }

  /** @param client the drm-client-id; -1 where it is not known */
  add(at: number, client: number): void {
    if (this.length === MAX_LENGTH) this.#first++;
    const place = this.#end++ & MASK;
    this.#at[place] = at;
    this.#client[place] = client;
  }

  /**
   * When the oldest report within `windowMs` of `at` happened that may be about this client; undefined when there is none.
   *
   * @param client -1 may be any
   */
  find(at: number, windowMs: number, client: number): number | undefined {
    const number = this.#find(at, windowMs, client);
    return number < 0 ? undefined : this.#at[number & MASK];
  }

  /** Forgets the report that {@link find} finds. */
  take(at: number, windowMs: number, client: number): void {
    const number = this.#find(at, windowMs, client);
    if (number < 0) return;
    // Those before it move up by one place, which keeps their order.
    for (let to = number; to > this.#first; to--) {
      this.#at[to & MASK] = this.#at[(to - 1) & MASK]!;
      this.#client[to & MASK] = this.#client[(to - 1) & MASK]!;
    }
    this.#first++;
  }

  forgetBefore(at: number): void {
    while (this.length > 0 && this.#at[this.#first & MASK]! < at) this.#first++;
  }

  #find(at: number, windowMs: number, client: number): number {
    for (let number = this.#first; number < this.#end; number++) {
      const known = this.#client[number & MASK]!;
      const maySame = known === client || known === -1 || client === -1;
      if (maySame && Math.abs(this.#at[number & MASK]! - at) <= windowMs) return number;
    }
    return -1;
  }
}
