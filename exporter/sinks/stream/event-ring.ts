import type { FeedEvent } from '../../events/event-feed.js';

/** The last events by number, bounded in count and in bytes; the newest one is always there, whatever its size. */
export class EventRing {
  readonly #slots: (FeedEvent | undefined)[];
  readonly #maxBytes: number;
  #bytes = 0;
  #oldest = 1;
  #newest = 0;

  /** @param maxBytes of JSON text, in UTF-8 */
  constructor(capacity: number, maxBytes: number) {
    this.#slots = new Array<FeedEvent | undefined>(capacity);
    this.#maxBytes = maxBytes;
  }

  get oldest(): number {
    return this.#oldest;
  }

  get newest(): number {
    return this.#newest;
  }

  get bytes(): number {
    return this.#bytes;
  }

  at(number: number): FeedEvent | undefined {
    return number >= this.#oldest && number <= this.#newest ? this.#slots[number % this.#slots.length] : undefined;
  }

  push(event: Omit<FeedEvent, 'number'>): void {
    if (this.#newest - this.#oldest + 1 === this.#slots.length) this.#dropOldest();
    const number = ++this.#newest;
    this.#slots[number % this.#slots.length] = { ...event, number };
    this.#bytes += Buffer.byteLength(event.json);
    while (this.#bytes > this.#maxBytes && this.forgetOldest());
  }

  /** @returns false when only the newest is left */
  forgetOldest(): boolean {
    if (this.#oldest >= this.#newest) return false;
    this.#dropOldest();
    return true;
  }

  #dropOldest(): void {
    const index = this.#oldest++ % this.#slots.length;
    this.#bytes -= Buffer.byteLength(this.#slots[index]?.json ?? '');
    this.#slots[index] = undefined;
  }
}
