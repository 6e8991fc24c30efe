import { BoundedMap } from '../bounded-map.js';
import { principalOf } from '../host/cgroup-owner.js';
import { TokenBucket } from '../time/token-bucket.js';

/** New connections of one principal: what a job that starts over and over needs, and no more. */
const CONNECTIONS = { burst: 64, intervalMs: 100 } as const;
/** More users, pods, services and jobs than a node has. */
const MOST_PRINCIPALS = 4096;

/** How fast each principal may connect, so that one that does nothing else leaves time for the others. */
export class Pace {
  readonly #buckets = new BoundedMap<string, TokenBucket>(MOST_PRINCIPALS);

  /** @param owner '' for all who are nobody. @param now monotonic, in milliseconds */
  admits(owner: string, now: number): boolean {
    const principal = principalOf(owner);
    const bucket = this.#buckets.get(principal) ?? new TokenBucket(CONNECTIONS);
    this.#buckets.set(principal, bucket);
    return bucket.take(now);
  }
}
