import type { XeClient } from '../clients/client.js';
import type { SourceName } from '../telemetry/names.js';

/** Whole records as one read returned them, with everything a later stage needs to know about where they come from. */
export interface StampedBatch {
  readonly source: SourceName;
  /** The records stand between byte offsets `start` and `end`. Valid only during the call that delivers the batch. */
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  /** CLOCK_REALTIME and CLOCK_MONOTONIC of the read, nanoseconds. */
  readonly realtimeNs: bigint;
  readonly monotonicNs: bigint;
  /** Which client each of the 256 watch ids of this pipe stood for when the records were posted. */
  readonly owners: readonly (XeClient | undefined)[];
}

/** Takes a batch, synchronously; must not throw. */
export type BatchHandler = (batch: StampedBatch) => void;

/** Where records come from. Started once, stopped once (a second stop is the first). JavaScript thread only. */
export interface Source {
  readonly name: SourceName;
  /** Starts delivering. What the kernel or the privileges refuse is a feature state, not an exception. */
  start(handler: BatchHandler): Promise<void>;
  /** Delivers what was read already, then stops. */
  stop(): Promise<void>;
  /** True while the source can deliver events. */
  readonly up: boolean;
}
