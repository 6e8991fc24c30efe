import { randomBytes } from 'node:crypto';
import type { EventFeed, FeedEvent, FeedFollower } from '../../events/event-feed.js';
import { ATTRIBUTE, type DropReason } from '../../names.js';
import { EventRing } from './event-ring.js';
import { jsonLine } from '../json-line.js';
import type { LogRecord } from '../../pipeline/log/log-record.js';
import type { Sink } from '../../pipeline/sink.js';
import type { SinkEntry } from '../entry.js';

/** The last log events, for /events and the status page; with --events-http. */
export const stream: SinkEntry = {
  name: 'stream',
  wanted: ({ config }) => ({ wanted: config.eventsHttp, reason: '' }),
  open({ config }) {
    const sink = new StreamSink({ ringSize: config.eventsRingSize });
    return { logs: [sink], feed: sink };
  },
};

const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;

export interface StreamSinkOptions {
  /** Events kept for readers that come later. */
  readonly ringSize: number;
  /** Bytes of JSON kept; a ring of short events never reaches it. */
  readonly maxBytes?: number;
}

/**
 * Keeps the last log events for /events and the status page. Delivered means: kept in the ring. It has no queue that could be
 * full; a reader that comes too late is told how many events it missed, which is counted apart from what sinks drop.
 */
export class StreamSink implements Sink<LogRecord>, EventFeed {
  readonly name = 'stream';
  /** Not the service's instance id: `xe.event.id` counts other things, and the two would look alike. */
  readonly instance = randomBytes(4).toString('hex');
  readonly #ring: EventRing;
  readonly #followers: FeedFollower[] = [];
  #closed = false;

  constructor({ ringSize, maxBytes = DEFAULT_MAX_BYTES }: StreamSinkOptions) {
    this.#ring = new EventRing(ringSize, maxBytes);
  }

  get oldest(): number {
    return this.#ring.oldest;
  }

  get newest(): number {
    return this.#ring.newest;
  }

  at(number: number): FeedEvent | undefined {
    return this.#ring.at(number);
  }

  follow(follower: FeedFollower): void {
    if (this.#closed) follower.closed();
    else this.#followers.push(follower);
  }

  accept(record: LogRecord): DropReason | undefined {
    if (this.#closed) return 'closed';
    this.#ring.push(feedEvent(record));
    for (const follower of this.#followers) follower.published();
    return undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const follower of this.#followers) follower.closed();
  }
}

function feedEvent(record: LogRecord): Omit<FeedEvent, 'number'> {
  const { attributes } = record;
  const text = (name: string): string | undefined => attributes[name] as string | undefined;
  const errno = attributes[ATTRIBUTE.vmErrno];
  return {
    name: record.eventName,
    json: jsonLine(record),
    device: text(ATTRIBUTE.pciBdf),
    errno: errno === undefined ? undefined : Math.abs(Number(errno)),
    namespace: text(ATTRIBUTE.k8sNamespace),
    pod: text(ATTRIBUTE.k8sPod),
  };
}
