import type { ServerResponse } from 'node:http';
import type { EventFeed } from '../../events/event-feed.js';
import type { StreamDropReason } from '../../names.js';
import { Subscriber, type SubscriberOptions } from './subscriber.js';

/** Bounds on what event streams can cost. Times in milliseconds. */
export interface StreamLimits {
  readonly subscribers: number;
  /** Also how often slow readers are looked for. */
  readonly heartbeatMs: number;
  /** A stream whose socket has been full for this long is ended. */
  readonly stallMs: number;
  /** What a client is told when there is no room for it. */
  readonly whenFull: string;
}

export interface StreamAccounting {
  subscribers(count: number): void;
  dropped(reason: StreamDropReason): void;
  /** Events that a subscriber was told it missed. */
  missed(count: number): void;
}

/** How long a client waits before it comes back when the exporter stops, in milliseconds. */
const RETRY_AFTER_STOP_MS = 5000;

/** What a new stream is to be given. */
export type NewSubscriber = Pick<SubscriberOptions, 'filter' | 'from' | 'isAdmitted'>;

/**
 * The open event streams. Events of one turn of the event loop go out together, after the sinks have them all, so that a
 * subscriber costs the event path nothing but a flag.
 */
export class Subscribers {
  readonly #feed: EventFeed;
  readonly #limits: StreamLimits;
  readonly #accounting: StreamAccounting;
  readonly #open = new Set<Subscriber>();
  #wakeUp: NodeJS.Immediate | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(feed: EventFeed, limits: StreamLimits, accounting: StreamAccounting) {
    this.#feed = feed;
    this.#limits = limits;
    this.#accounting = accounting;
    feed.follow({
      published: () => {
        if (this.#open.size > 0) this.#wakeUp ??= setImmediate(() => this.#pumpAll());
      },
      closed: () => this.#close(),
    });
  }

  /** Why a new stream is turned away now, and counts that it was; undefined when it is welcome. */
  refusal(): string | undefined {
    if (this.#closed) return 'The exporter is stopping.';
    if (this.#open.size < this.#limits.subscribers) return undefined;
    this.#accounting.dropped('limit');
    return this.#limits.whenFull;
  }

  /** Takes over a response whose head is sent, until either side ends it. */
  add(response: ServerResponse, { filter, from, isAdmitted }: NewSubscriber): void {
    // A client can be gone before its request is read; its close event will not come again.
    if (response.destroyed) return;
    const missed = (count: number): void => this.#accounting.missed(count);
    const subscriber = new Subscriber(response, { feed: this.#feed, filter, from, isAdmitted, missed });
    this.#open.add(subscriber);
    this.#changed();
    response.once('close', () => {
      if (this.#open.delete(subscriber)) this.#changed();
    });
  }

  #pumpAll(): void {
    this.#wakeUp = undefined;
    this.#endUnadmitted();
    this.#dropSlow();
    for (const subscriber of this.#open) subscriber.pump();
  }

  #beat(): void {
    this.#endUnadmitted();
    this.#dropSlow();
    for (const subscriber of this.#open) subscriber.heartbeat();
  }

  /** Checked before anything is written, because events after a change of users are not for clients that were admitted before it. */
  #endUnadmitted(): void {
    for (const subscriber of this.#open) {
      if (subscriber.isAdmitted()) continue;
      this.#open.delete(subscriber);
      this.#changed();
      subscriber.end('users or certificates have changed: come back');
    }
  }

  #dropSlow(): void {
    for (const subscriber of this.#open) {
      if (!subscriber.tooSlow(this.#limits.stallMs)) continue;
      this.#accounting.dropped('slow');
      this.#open.delete(subscriber);
      this.#changed();
      subscriber.destroy();
    }
  }

  #changed(): void {
    this.#accounting.subscribers(this.#open.size);
    if (this.#open.size === 0) {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    } else {
      this.#heartbeat ??= setInterval(() => this.#beat(), this.#limits.heartbeatMs).unref();
    }
  }

  #close(): void {
    this.#closed = true;
    clearImmediate(this.#wakeUp);
    this.#pumpAll();
    for (const subscriber of this.#open) subscriber.end('the exporter stops', RETRY_AFTER_STOP_MS);
  }
}
