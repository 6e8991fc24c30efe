import type { DeviceEvent } from '../events/device-event.js';
import type { DropReason, SinkName } from '../telemetry/names.js';

/**
 * Where events end. Called on the JavaScript thread, synchronously; a sink that has to wait keeps its own bounded queue.
 * For every sink received = delivered + dropped.
 */
export interface Sink {
  readonly name: SinkName;
  /** @returns undefined when the event was taken, else why not. Must not throw; the bus counts a throw as `error`. */
  accept(event: DeviceEvent): DropReason | undefined;
  /** Flushes what is queued and releases everything, within `deadlineMs`. Idempotent. */
  close(deadlineMs: number): Promise<void>;
}
