import type { DeviceEvent, EventDefinition } from '../events/device-event.js';
import type { DropReason, SinkName } from '../names.js';
import type { LogSink, Sink } from './sink.js';

/** Pairs of client and event name that are told apart; the least recently heard of leave first. */
const MAX_BUCKETS = 4096;

export interface RateLimitOptions {
  /** Log events a minute for each pair of client and event name, and as many at once after a quiet time. */
  readonly perMinute: number;
  readonly maxBuckets?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** A token bucket, kept as the time at which it is full again. */
interface Bucket {
  readonly definition: EventDefinition;
  fullAt: number;
  /** Suppressed and not reported yet. */
  suppressed: number;
}

/** drm-client-id; PCI address for an event of a device, empty for one of neither. */
type OwnerKey = number | string;

/** The buckets of one owner, one for each event name heard of it. */
interface Owner {
  readonly key: OwnerKey;
  readonly buckets: Bucket[];
}

/**
 * Holds a log sink to a rate for each (client, event name). What it suppresses is dropped as `rate_limited`, and the next
 * record that passes says how many were. The last word on a client (see {@link EventDefinition.isFinal}) always passes and
 * takes all that is unreported of that client with it. When a client is forgotten, the next record of the same name
 * takes its number over, whoever that is of: 1 + suppressed, summed over the records, is the number of events.
 * JavaScript thread only.
 */
export class RateLimitedSink implements Sink {
  readonly name: SinkName;
  readonly #sink: LogSink;
  readonly #intervalMs: number;
  readonly #burstMs: number;
  readonly #maxBuckets: number;
  readonly #now: () => number;
  /** The least recently heard of first. */
  readonly #owners = new Map<OwnerKey, Owner>();
  readonly #forgotten = new Map<EventDefinition, number>();
  #newest: Owner | undefined;
  #buckets = 0;

  constructor(sink: LogSink, options: RateLimitOptions) {
    this.name = sink.name;
    this.#sink = sink;
    this.#intervalMs = 60_000 / options.perMinute;
    this.#burstMs = 60_000 - this.#intervalMs;
    this.#maxBuckets = options.maxBuckets ?? MAX_BUCKETS;
    this.#now = options.now ?? (() => performance.now());
  }

  accept(event: DeviceEvent): DropReason | undefined {
    const { definition } = event;
    if (!definition.logged) return this.#sink.accept(event);
    if (definition.isFinal(event)) return this.#pass(event, this.#owners.get(keyOf(event))?.buckets ?? []);
    const owner = this.#ownerOf(keyOf(event));
    const bucket = this.#bucketOf(owner, definition);
    const now = this.#now();
    if (bucket.fullAt - now > this.#burstMs) {
      bucket.suppressed++;
      return 'rate_limited';
    }
    const refused = this.#pass(event, [bucket]);
    // What the sink did not take costs nothing of the rate.
    if (refused === undefined) bucket.fullAt = Math.max(now, bucket.fullAt) + this.#intervalMs;
    return refused;
  }

  close(deadlineMs: number): Promise<void> {
    return this.#sink.close(deadlineMs);
  }

  /** Hands the event on with what is unreported in these buckets, which stays there when the sink refuses. */
  #pass(event: DeviceEvent, buckets: readonly Bucket[]): DropReason | undefined {
    let suppressed = this.#forgotten.get(event.definition) ?? 0;
    for (const bucket of buckets) suppressed += bucket.suppressed;
    const refused = this.#sink.accept(event, suppressed);
    if (refused !== undefined || suppressed === 0) return refused;
    this.#forgotten.delete(event.definition);
    for (const bucket of buckets) bucket.suppressed = 0;
    return undefined;
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
    const bucket = { definition, fullAt: 0, suppressed: 0 };
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
