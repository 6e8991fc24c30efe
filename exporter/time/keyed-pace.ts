import { BoundedMap } from '../bounded-map.js';
import { TokenBucket, type TokenBucketOptions } from './token-bucket.js';

/** More users, pods, services and jobs than a node has. */
const MOST_KEYS = 4096;

/** A token bucket for each key, such as a workload. Beyond {@link MOST_KEYS} the one that was asked for longest ago starts anew. */
export class KeyedPace {
  readonly #options: TokenBucketOptions;
  readonly #buckets = new BoundedMap<string, TokenBucket>(MOST_KEYS);

  constructor(options: TokenBucketOptions) {
    this.#options = options;
  }

  /** @param now monotonic, in milliseconds */
  admits(key: string, now: number): boolean {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#options);
    this.#buckets.set(key, bucket);
    return bucket.take(now);
  }
}
