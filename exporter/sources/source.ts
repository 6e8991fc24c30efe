import type { XeClient } from '../clients/client.js';
import type { ClientTable, ClientTableListener } from '../clients/client-table.js';
import type { Config } from '../config/schema.js';
import type { EventDefinition, EventDetails } from '../events/device-event.js';
import type { FeatureBoard } from '../features.js';
import type { XeDevice } from '../host/device.js';
import type { DeviceTable, DeviceTableListener } from '../host/device-table.js';
import type { Moved } from '../metrics/move-metrics.js';
import type { AttachFailureReason, CoredumpCopyResult, FeatureName, SourceName } from '../names.js';
import type { NativeAddon, NativeFailure } from '../native/binding.js';
import type { KernelLogLine } from '../wire/kernel-log.js';
import type { Uevent } from '../wire/uevent.js';
import type { Ownership } from './trace/ownership.js';
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

/** Whose an object of the driver is, as its trace says. No event: it names the victim of one that comes later. */
export interface OwnershipBatch extends Stamp {
  readonly kind: 'ownership';
  readonly ownership: Ownership;
  readonly device: XeDevice | undefined;
}

/** What the kernel log held before the exporter started, oldest line first. Nothing of it counts: it only says how the devices are. */
export interface HistoryBatch extends Stamp {
  readonly kind: 'history';
  readonly lines: readonly Pick<KernelLogBatch, 'line' | 'device'>[];
}

/** A coredump was copied, or could not be. */
export interface CoredumpCopyBatch extends Stamp {
  readonly kind: 'coredump_copy';
  readonly device: XeDevice;
  readonly details: EventDetails;
  /** Why it failed, a negative errno; 0 when it did not. */
  readonly errorCode: number;
}

/** The source knows that messages are missing. */
export interface LossBatch extends Stamp {
  readonly kind: 'loss';
  /** How many, at the least: 1 or more. */
  readonly messages: number;
}

export type StampedBatch =
  | WatchBatch
  | KernelLogBatch
  | UeventBatch
  | TraceBatch
  | OwnershipBatch
  | HistoryBatch
  | CoredumpCopyBatch
  | LossBatch;

/** Takes a batch, synchronously; must not throw. */
export type BatchHandler = (batch: StampedBatch) => void;

/** Where records come from. Started once, stopped once: a second stop returns the first. */
export interface Source {
  readonly name: SourceName;
  /**
   * Starts delivering; the device table has been filled by then. What the kernel or the privileges refuse becomes a feature
   * state, not an exception. Waits for no device: {@link settled} does.
   */
  start(handler: BatchHandler): Promise<void>;
  /** Delivers what was already read, then stops. */
  stop(): Promise<void>;
  /** True while the source can deliver events. */
  readonly up: boolean;
  /** Resolves once it is known for every device of the node whether the source can deliver. */
  settled(): Promise<void>;
  /** What follows the device table, if anything does. */
  readonly deviceListener?: DeviceTableListener;
  /** What follows the client table, if anything does. */
  readonly clientListener?: ClientTableListener;
  /** Replaces the events asked of the kernel while running. Absent where the kernel cannot be asked. */
  want?(wanted: readonly EventDefinition[]): NativeFailure | undefined;
}

/** What a source counts. */
export interface SourceAccounting {
  upChanged(source: SourceName, up: boolean): void;
  restarted(source: SourceName): void;
  /** Messages the reader thread discarded because its queue was full. */
  dropped(source: SourceName, messages: number): void;
  /** The queue of a reader thread has held more bytes than ever since that thread started. */
  queuePeak(source: SourceName, bytes: number): void;
  attachFailed(reason: AttachFailureReason): void;
  /** What the driver has evicted and restored on a device since the last call, or none at the first look. */
  moved(pciBdf: string, moved: Moved): void;
}

/** What a source is made from. */
export interface SourceContext {
  readonly config: Config;
  readonly native: NativeAddon;
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly features: FeatureBoard;
  readonly accounting: SourceAccounting;
  /** Called when a source that was up died, and when it is up again. */
  readonly onChanged?: ((source: SourceName, state: 'up' | 'down', reason: string) => void) | undefined;
  /** Called when the driver moved so many bytes out of a device because the process asked for memory. */
  readonly onEvictedFor?: ((pciBdf: string, pid: number, bytes: number) => void) | undefined;
  /** Called when a process has just begun to use a GPU. */
  readonly onGpuProcess?: ((pid: number) => void) | undefined;
  /** Counts copies of coredumps, or makes their series with 0. */
  readonly onCoredumpCopies?: ((result: CoredumpCopyResult, copies: number) => void) | undefined;
}

/** One line of THE LIST in index.ts. */
export interface SourceEntry {
  /** Value of the `source` label; its series exist at 0 from the start. */
  readonly name: SourceName;
  /** The feature whose state says whether the source works on this node. */
  readonly feature: FeatureName;
  /** Whether `--mode` asks for it. An option that switches it off is a feature state instead: see {@link Source.start}. */
  readonly wanted: (config: Pick<Config, 'mode'>) => boolean;
  /** Builds the source; touches nothing on the machine before {@link Source.start}. */
  readonly open: (context: SourceContext) => Source;
}
