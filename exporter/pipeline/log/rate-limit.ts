import type { DeviceEvent, EventDefinition } from '../../events/device-event.js';
import { TokenBucket, type TokenBucketOptions } from '../../time/token-bucket.js';

/** Pairs of client and event name with a rate of their own; the least recently seen are forgotten first. */
const MAX_BUCKETS = 4096;

export interface RateLimitOptions {
  /** Log events a minute for each pair of client and event name, and as many at once after a quiet time. */
  readonly perMinute: number;
  readonly maxBuckets?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

interface Bucket {
  readonly definition: EventDefinition;
  readonly tokens: TokenBucket;
  /** Suppressed and not reported yet. */
  suppressed: number;
}

/** drm-client-id; PCI address for an event of a device, empty for one of neither. */
type OwnerKey = number | string;

/** The buckets of one owner, one for each event name seen of it. */
interface Owner {
  readonly key: OwnerKey;
  readonly buckets: Bucket[];
}

/** Delivers a log event that also stands for `suppressed` earlier ones. @returns false when nobody took it */
export type Deliver = (event: DeviceEvent, suppressed: number) => boolean;

/**
 * Limits log events to a rate per (client, event name). The next event that passes says how many were suppressed before
 * it. The last word on a client (see {@link EventDefinition.isFinal}) always passes and takes everything unreported of
 * that client with it. When a client is forgotten, the next event of the same name takes over its number, whoever it
 * belongs to: 1 + suppressed, summed over the delivered events, is the number of events.
 */
export class LogRateLimit {
  readonly #deliver: Deliver;
  readonly #rate: TokenBucketOptions;
  readonly #maxBuckets: number;
  readonly #now: () => number;
  /** The least recently seen first. */
  readonly #owners = new Map<OwnerKey, Owner>();
  readonly #forgotten = new Map<EventDefinition, number>();
  #newest: Owner | undefined;
  #buckets = 0;

  constructor(deliver: Deliver, options: RateLimitOptions) {
    this.#deliver = deliver;
    this.#rate = { burst: options.perMinute, intervalMs: 60_000 / options.perMinute };
    this.#maxBuckets = options.maxBuckets ?? MAX_BUCKETS;
    this.#now = options.now ?? (() => performance.now());
  }

  /** @returns false when the event was suppressed */
  pass(event: DeviceEvent): boolean {
    const { definition } = event;
    if (definition.isFinal(event)) {
      this.#report(event, this.#owners.get(keyOf(event))?.buckets ?? []);
      return true;
    }
    const bucket = this.#bucketOf(this.#ownerOf(keyOf(event)), definition);
    const now = this.#now();
    if (bucket.tokens.nextAt > now) {
      bucket.suppressed += 1 + event.repeats;
      return false;
    }
    // What nobody took costs nothing of the rate.
    if (this.#report(event, [bucket])) bucket.tokens.take(now);
    return true;
  }

  /** Delivers the event with what is unreported in these buckets, which stays there when nobody takes it. */
  #report(event: DeviceEvent, buckets: readonly Bucket[]): boolean {
    let suppressed = this.#forgotten.get(event.definition) ?? 0;
    for (const bucket of buckets) suppressed += bucket.suppressed;
    if (!this.#deliver(event, suppressed)) return false;
    if (suppressed === 0) return true;
    this.#forgotten.delete(event.definition);
    for (const bucket of buckets) bucket.suppressed = 0;
    return true;
  }

  #ownerOf(key: OwnerKey): Owner {
    if (this.#newest?.key === key) return this.#newest;
    const owner = this.#owners.get(key) ?? { key, buckets: [] };
    this.#owners.delete(key);
    this.#owners.set(key, owner);
    this.#newest = owner;
    return owner;
  }

  #bucketOf(owner: Owner, definition: EventDefinition): Bucket {
    const known = owner.buckets.find((bucket) => bucket.definition === definition);
    if (known) return known;
    const bucket = { definition, tokens: new TokenBucket(this.#rate), suppressed: 0 };
    owner.buckets.push(bucket);
    this.#buckets++;
    for (const oldest of this.#owners.values()) {
      if (this.#buckets <= this.#maxBuckets || oldest === owner) break;
      this.#forget(oldest);
    }
    return bucket;
  }

  #forget({ key, buckets }: Owner): void {
    this.#owners.delete(key);
    this.#buckets -= buckets.length;
    for (const { definition, suppressed } of buckets) {
      if (suppressed > 0) this.#forgotten.set(definition, (this.#forgotten.get(definition) ?? 0) + suppressed);
    }
  }
}

function keyOf({ client, device }: DeviceEvent): OwnerKey {
  return client?.drmClientId ?? device?.pciBdf ?? '';
}
