/** The most that wait of one device at a time. */
const MAX_LENGTH = 4_096;

/** Reports that wait for their counterpart from another source, in the order they came. Bounded: the oldest goes. */
export class PairingQueue<T extends { readonly at: number }> {
  readonly #items: T[] = [];
  /** Items before this one are gone. */
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  get empty(): boolean {
    return this.#first === this.#items.length;
  }

  add(item: T): void {
    this.#items.push(item);
    if (this.length > MAX_LENGTH) this.#drop();
  }

  /** Takes the oldest within `windowMs` of `at` that fits. */
  take(at: number, windowMs: number, fits: (item: T) => boolean): T | undefined {
    for (let index = this.#first; index < this.#items.length; index++) {
      const item = this.#items[index]!;
      if (Math.abs(item.at - at) > windowMs || !fits(item)) continue;
      if (index === this.#first) this.#drop();
      else this.#items.splice(index, 1);
      return item;
    }
    return undefined;
  }

  /** Those that are not forgotten, the oldest first. */
  *[Symbol.iterator](): Generator<T> {
    for (let index = this.#first; index < this.#items.length; index++) yield this.#items[index]!;
  }

  forgetBefore(at: number): void {
    while (!this.empty && this.#items[this.#first]!.at < at) this.#drop();
  }

  #drop(): void {
    if (++this.#first < MAX_LENGTH && !this.empty) return;
    this.#items.splice(0, this.#first);
    this.#first = 0;
  }
}
