import type { ServerResponse } from 'node:http';
import { GAP, type EventFeed, type Gap } from '../../events/event-feed.js';
import type { EventFilter } from './query.js';
import { eventId, overwrittenSince, type ResumePoint } from './resume.js';

/** What may wait in a subscriber's socket before it is asked to catch up, in characters; the last event may reach over it. */
const CHUNK = 32 * 1024;

/** How long a client waits before it comes back after a broken connection, in milliseconds. */
const RETRY_MS = 3000;

export interface SubscriberOptions {
  readonly feed: EventFeed;
  readonly filter: EventFilter;
  readonly from: ResumePoint;
  /** Whether the client that opened it would still be admitted. */
  readonly isAdmitted: () => boolean;
  readonly missed: (events: number) => void;
}

/**
 * One open event stream: a place in the ring and a socket, no queue of its own. What a slow reader has not taken waits in the
 * ring, for all readers once; a stream is {@link tooSlow} when the ring has moved past it, or its socket stands still.
 */
export class Subscriber {
  readonly #response: ServerResponse;
  readonly #options: SubscriberOptions;
  /** Number of the last event that was written, or that the filter left out. */
  #position: number;
  /** When the socket became full; undefined while it accepts data. */
  #fullSince: number | undefined;

  /** @param response its head is sent. */
  constructor(response: ServerResponse, options: SubscriberOptions) {
    this.#response = response;
    this.#options = options;
    this.#position = options.from.after;
    response.on('drain', () => {
      this.#fullSince = undefined;
      this.pump();
    });
    // The id without data is not an event; it makes a client that comes back before the first one say where it was.
    this.#write(`retry: ${RETRY_MS}\n${this.#id()}\n\n`);
    this.#tell(options.from.gap);
    this.pump();
  }

  /** Writes new events until the socket is full. */
  pump(): void {
    const { feed } = this.#options;
    if (this.#fullSince !== undefined) return;
    // More events in one turn of the event loop than the ring holds: not the reader's fault.
    const { after, gap } = overwrittenSince(feed, this.#position);
    this.#position = after;
    this.#tell(gap);
    while (this.#fullSince === undefined && this.#position < feed.newest) {
      const text = this.#gather();
      if (text !== '') this.#write(text);
    }
  }

  /** Shows the reader, and what is between, that the stream is alive, and moves its place past what the filter left out. */
  heartbeat(): void {
    if (this.#fullSince === undefined) this.#write(`: heartbeat\n${this.#id()}\n\n`);
  }

  /** @param stallMs how long the socket may take nothing */
  tooSlow(stallMs: number): boolean {
    if (this.#fullSince === undefined) return false;
    return this.#position + 1 < this.#options.feed.oldest || performance.now() - this.#fullSince >= stallMs;
  }

  isAdmitted(): boolean {
    return this.#options.isAdmitted();
  }

  /** Says why, and ends the stream, without waiting for a reader that does not read. */
  end(why: string, retryMs = RETRY_MS): void {
    this.#response.end(`: ${why}\nretry: ${retryMs}\n\n`);
  }

  /** Destroys the stream, because what is left in its socket would not be read. */
  destroy(): void {
    this.#response.destroy();
  }

  #gather(): string {
    const { feed, filter } = this.#options;
    let text = '';
    while (text.length < CHUNK && this.#position < feed.newest) {
      const event = feed.at(++this.#position);
      if (event && filter.passes(event)) text += `${this.#id()}\nevent: ${event.name}\ndata: ${event.json}\n\n`;
    }
    return text;
  }

  #tell(gap: Gap | undefined): void {
    if (gap === undefined) return;
    this.#options.missed(gap.missed ?? 0);
    this.#write(`${this.#id()}\nevent: ${GAP}\ndata: ${JSON.stringify(gap)}\n\n`);
  }

  #id(): string {
    return `id: ${eventId(this.#options.feed, this.#position)}`;
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#fullSince ??= performance.now();
  }
}
