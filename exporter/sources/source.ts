import type { XeClient } from '../clients/client.js';
import type { EventDetails } from '../events/device-event.js';
import type { XeDevice } from '../host/device.js';
import type { SourceName } from '../names.js';
import type { KernelLogLine } from '../wire/kernel-log.js';
import type { Uevent } from '../wire/uevent.js';
import type { VmKill } from './trace/vm-kills.js';

/** When and where a batch was read; time is stamped once, in native code. */
interface Stamp {
  readonly source: SourceName;
  /** CLOCK_REALTIME and CLOCK_MONOTONIC of the read, nanoseconds. */
  readonly realtimeNs: bigint;
  readonly monotonicNs: bigint;
}

/** Whole watch_queue records as one read returned them. */
export interface WatchBatch extends Stamp {
  readonly kind: 'watch_queue';
  /** The records stand between byte offsets `start` and `end`. Valid only during the call that delivers the batch. */
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  /** Which client each of the 256 watch ids of this pipe stood for when the records were posted. */
  readonly owners: readonly (XeClient | undefined)[];
}

/** One line of the kernel log. */
export interface KernelLogBatch extends Stamp {
  readonly kind: 'kernel_log';
  /** undefined when the record could not be parsed. */
  readonly line: KernelLogLine | undefined;
  /** The device the line is about, also one that the driver has just failed to bind to. */
  readonly device: XeDevice | undefined;
}

/** One uevent. */
export interface UeventBatch extends Stamp {
  readonly kind: 'uevent';
  /** undefined when the message could not be parsed. */
  readonly uevent: Uevent | undefined;
  /** The xe device it is about. */
  readonly device: XeDevice | undefined;
  /** What the source read beside it: reason and process at the head of a devcoredump. */
  readonly details?: EventDetails;
}

/** One VM that the driver has given up, as its trace says. */
export interface TraceBatch extends Stamp {
  readonly kind: 'trace';
  /** undefined when the line could not be parsed. */
  readonly kill: VmKill | undefined;
  readonly device: XeDevice | undefined;
}

/** The source knows that messages are missing. */
export interface LossBatch extends Stamp {
  readonly kind: 'loss';
  /** How many, at the least: 1 or more. */
  readonly messages: number;
}

export type StampedBatch = WatchBatch | KernelLogBatch | UeventBatch | TraceBatch | LossBatch;

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
