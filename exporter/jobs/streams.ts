import type { EventFeed } from '../events/event-feed.js';
import { principalOf } from '../host/cgroup-owner.js';
import { HEARTBEAT_MS, STALL_MS } from '../http/events/open-stream.js';
import { Subscribers, type StreamAccounting } from '../http/events/subscribers.js';

export interface JobStreamLimits {
  /** Streams of all that one user, pod, service or job may have made. */
  readonly perPrincipal: number;
  readonly total: number;
  readonly heartbeatMs: number;
  readonly stallMs: number;
}

const LIMITS: JobStreamLimits = { perPrincipal: 16, total: 1024, heartbeatMs: HEARTBEAT_MS, stallMs: STALL_MS };

/** The open event streams of all workloads: each workload has its own feed. */
export class JobStreams {
  readonly #accounting: StreamAccounting;
  readonly #limits: JobStreamLimits;
  readonly #ofFeed = new WeakMap<EventFeed, Subscribers>();
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor(accounting: StreamAccounting, limits: Partial<JobStreamLimits> = {}) {
    this.#accounting = accounting;
    this.#limits = { ...LIMITS, ...limits };
  }

  /** The streams of the feed of one owner. */
  of(owner: string, feed: EventFeed): Subscribers {
    const known = this.#ofFeed.get(feed);
    if (known) return known;
    const subscribers = this.#create(principalOf(owner), feed);
    this.#ofFeed.set(feed, subscribers);
    return subscribers;
  }

  /** Why the owner gets no further stream; undefined when it gets one. */
  refusal(owner: string): string | undefined {
    const { perPrincipal, total } = this.#limits;
    const open = this.#counts.get(principalOf(owner)) ?? 0;
    if (open < perPrincipal && this.#total < total) return undefined;
    this.#accounting.dropped('limit');
    return open < perPrincipal
      ? `All ${total} event streams of this node are taken: try later.`
      : `You have ${open} event streams open, and there may be ${perPrincipal}: close one first.`;
  }

  #create(principal: string, feed: EventFeed): Subscribers {
    const { heartbeatMs, stallMs } = this.#limits;
    let open = 0;
    return new Subscribers(
      feed,
      { subscribers: Infinity, heartbeatMs, stallMs, whenFull: '' },
      {
        ...this.#accounting,
        subscribers: (count) => {
          this.#count(principal, count - open);
          open = count;
        },
      },
    );
  }

  #count(principal: string, by: number): void {
    this.#total += by;
    const count = (this.#counts.get(principal) ?? 0) + by;
    if (count > 0) this.#counts.set(principal, count);
    else this.#counts.delete(principal);
    this.#accounting.subscribers(this.#total);
  }
}
