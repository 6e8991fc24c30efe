import { BoundedMap } from '../../bounded-map.js';
import { TokenBucket } from '../../time/token-bucket.js';

/** As many at once as are kept for a workload: more would only push each other out. Then 100 a second. */
const AT_ONCE = 1024;
const INTERVAL_MS = 10;
const MOST_WORKLOADS = 4096;

/** How fast a workload is told of its events, so that one whose VMs fail without end costs the exporter little. */
export class EventPace {
  readonly #buckets = new BoundedMap<string, TokenBucket>(MOST_WORKLOADS);
  readonly #burst: number;

  /** @param burst events of one workload at once */
  constructor(burst = AT_ONCE) {
    this.#burst = burst;
  }

  /** @param now monotonic, in milliseconds */
  admits(owner: string, now: number): boolean {
    const known = this.#buckets.get(owner);
    const bucket = known ?? new TokenBucket({ burst: this.#burst, intervalMs: INTERVAL_MS });
    if (known === undefined) this.#buckets.set(owner, bucket);
    return bucket.take(now);
  }
}
