import type { DropReason } from '../../names.js';
import type { LogRecord } from '../../pipeline/log/log-record.js';
import type { Sink } from '../../pipeline/sink.js';
import type { SinkEntry } from '../entry.js';
import { feedEvent } from '../feed-event.js';
import { KeptEvents } from './kept-events.js';

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
export class StreamSink extends KeptEvents implements Sink<LogRecord> {
  readonly name = 'stream';

  constructor({ ringSize, maxBytes = DEFAULT_MAX_BYTES }: StreamSinkOptions) {
    super(ringSize, maxBytes);
  }

  accept(record: LogRecord): DropReason | undefined {
    if (this.closed) return 'closed';
    this.publish(feedEvent(record));
    return undefined;
  }
}
