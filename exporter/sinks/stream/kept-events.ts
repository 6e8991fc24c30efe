import { randomBytes } from 'node:crypto';
import type { EventFeed, FeedEvent, FeedFollower } from '../../events/event-feed.js';
import { EventRing } from './event-ring.js';

/** The last events of one stream, numbered from 1 at each start of the exporter. */
export class KeptEvents implements EventFeed {
  /** Not the service's instance id: `xe.event.id` counts other things, and the two would look alike. */
  readonly instance = randomBytes(4).toString('hex');
  readonly #ring: EventRing;
  readonly #followers: FeedFollower[] = [];
  #closed = false;

  /** @param maxBytes of JSON text, in UTF-8 */
  constructor(capacity: number, maxBytes: number) {
    this.#ring = new EventRing(capacity, maxBytes);
  }

  get oldest(): number {
    return this.#ring.oldest;
  }

  get newest(): number {
    return this.#ring.newest;
  }

  /** Of JSON text that is kept. */
  get bytes(): number {
    return this.#ring.bytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  at(number: number): FeedEvent | undefined {
    return this.#ring.at(number);
  }

  follow(follower: FeedFollower): void {
    if (this.#closed) follower.closed();
    else this.#followers.push(follower);
  }

  publish(event: Omit<FeedEvent, 'number'>): void {
    this.#ring.push(event);
    for (const follower of this.#followers) follower.published();
  }

  /** Makes room for others; the newest event stays. @returns false when there is nothing to forget */
  forgetOldest(): boolean {
    return this.#ring.forgetOldest();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const follower of this.#followers) follower.closed();
  }
}
