import type { DeviceEvent } from '../events/device-event.js';
import type { DropReason, SinkName } from '../names.js';
import type { LogRecord } from './log/log-record.js';

/**
 * Where events end. Called synchronously; a sink that has to wait keeps a bounded queue of its own. For every sink
 * received = delivered + dropped.
 */
export interface Sink<T> {
  readonly name: SinkName;
  /** @returns undefined when the item was taken, else why not. Must not throw; the fan-out counts a throw as `error`. */
  accept(item: T): DropReason | undefined;
  /** Flushes what is queued and releases everything, within `deadlineMs`. Idempotent. */
  close(deadlineMs: number): Promise<void>;
}

/** The sinks of one pipeline, by what they take. */
export interface Sinks {
  /** Counts every event in the turn in which it was read, including both parts of an incident. */
  readonly counting?: readonly Sink<DeviceEvent>[];
  /** Takes each logged event once, when everything is known about it. Not rate-limited. */
  readonly events?: readonly Sink<DeviceEvent>[];
  /** Takes the log record of each event that the rate limit lets through. */
  readonly logs?: readonly Sink<LogRecord>[];
}
