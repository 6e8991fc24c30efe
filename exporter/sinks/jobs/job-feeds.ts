import type { EventFeed, FeedEvent } from '../../events/event-feed.js';
import { principalOf } from '../../host/cgroup-owner.js';
import { KeptEvents } from '../stream/kept-events.js';

/** What is kept for jobs that come back, at most. */
export interface JobFeedLimits {
  readonly workloads: number;
  /** Of one workload. */
  readonly events: number;
  readonly bytes: number;
  /** Of all workloads together. */
  readonly totalBytes: number;
}

const MEBIBYTE = 1024 * 1024;
const LIMITS: JobFeedLimits = { workloads: 512, events: 1024, bytes: 2 * MEBIBYTE, totalBytes: 16 * MEBIBYTE };

/**
 * The last events of each workload, numbered for it alone. Where there is no room, whoever has the most makes it: the principal with
 * the most workloads loses the one that has been silent for the longest, the workload with the most bytes its oldest event.
 */
export class JobFeeds {
  /** By owner; the last one to have an event is the last. */
  readonly #feeds = new Map<string, KeptEvents>();
  readonly #limits: JobFeedLimits;
  #bytes = 0;
  #closed = false;

  constructor(limits: Partial<JobFeedLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  /** The feed of a workload, also of one that has had no event. */
  of(owner: string): EventFeed {
    return this.#of(owner);
  }

  publish(owner: string, event: Omit<FeedEvent, 'number'>): void {
    const feed = this.#of(owner);
    this.#feeds.delete(owner);
    this.#feeds.set(owner, feed);
    const before = feed.bytes;
    feed.publish(event);
    this.#bytes += feed.bytes - before;
    while (this.#bytes > this.#limits.totalBytes && this.#forgetOne());
  }

  close(): void {
    this.#closed = true;
    for (const feed of this.#feeds.values()) void feed.close();
  }

  #of(owner: string): KeptEvents {
    const known = this.#feeds.get(owner);
    if (known) return known;
    const feed = new KeptEvents(this.#limits.events, this.#limits.bytes);
    if (this.#closed) void feed.close();
    this.#feeds.set(owner, feed);
    if (this.#feeds.size > this.#limits.workloads) this.#dropOneBeside(owner);
    return feed;
  }

  /** Its readers are told to come back. */
  #dropOneBeside(newest: string): void {
    const counts = new Map<string, number>();
    for (const owner of this.#feeds.keys()) {
      const principal = principalOf(owner);
      counts.set(principal, (counts.get(principal) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    const owner = [...this.#feeds.keys()].find((each) => each !== newest && counts.get(principalOf(each)) === most);
    const feed = owner === undefined ? undefined : this.#feeds.get(owner);
    if (owner === undefined || feed === undefined) return;
    this.#feeds.delete(owner);
    this.#bytes -= feed.bytes;
    void feed.close();
  }

  #forgetOne(): boolean {
    let largest: KeptEvents | undefined;
    for (const feed of this.#feeds.values()) if (feed.bytes > (largest?.bytes ?? 0)) largest = feed;
    if (largest === undefined) return false;
    const before = largest.bytes;
    const forgotten = largest.forgetOldest();
    this.#bytes += largest.bytes - before;
    return forgotten;
  }
}
