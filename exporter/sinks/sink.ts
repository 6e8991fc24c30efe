import type { DeviceEvent } from '../events/device-event.js';
import type { DropReason, SinkName } from '../names.js';

/**
 * Where events end. Called on the JavaScript thread, synchronously; a sink that has to wait keeps its own bounded queue.
 * For every sink received = delivered + dropped.
 */
export interface Sink {
  readonly name: SinkName;
  /** True for one that counts: it is told at once, of both parts of an incident. The others are told of log events, when all is known. */
  readonly counts?: boolean;
  /** @returns undefined when the event was taken, else why not. Must not throw; the bus counts a throw as `error`. */
  accept(event: DeviceEvent): DropReason | undefined;
  /** Flushes what is queued and releases everything, within `deadlineMs`. Idempotent. */
  close(deadlineMs: number): Promise<void>;
}

/** A sink that writes a record for each logged event. */
export interface LogSink extends Sink {
  /** @param suppressed how many events this record also stands for: `xe.event.suppressed_count`, absent when 0 */
  accept(event: DeviceEvent, suppressed?: number): DropReason | undefined;
}
