import type { XeClient } from '../clients/client.js';
import type { XeDevice } from '../host/device.js';
import type { ErrnoLabel, Outcome, SourceName } from '../telemetry/names.js';

/** OpenTelemetry severity numbers in use (logs data model): INFO 9, WARN 13, ERROR 17, FATAL 21. */
export type Severity = 9 | 13 | 17 | 21;

export type AttributeValue = string | number;

/** One thing the kernel told us. Fixed shape, so that the hot path stays monomorphic. */
export interface DeviceEvent {
  readonly definition: EventDefinition;
  readonly source: SourceName;
  /** Counts the events of this process from 1, an outcome has that of the event it follows; with the exporter's instance id it makes `xe.event.id`. */
  readonly sequence: number;
  /** CLOCK_REALTIME and CLOCK_MONOTONIC when the record was read, nanoseconds: the record itself carries no time. */
  readonly realtimeNs: bigint;
  readonly monotonicNs: bigint;
  /** The client whose file it was; undefined for events that belong to no client, or when the watch id is not ours any more. */
  readonly client: XeClient | undefined;
  readonly device: XeDevice | undefined;
  /** Event-specific numbers; the definition says what they are. xe.vm.rebind_error: vm id and negative errno. */
  readonly subject: number;
  readonly code: number;
  /** What became of the client; undefined unless the event says that. */
  readonly outcome: Outcome | undefined;
}

/** What the wire says of an event: which record it is and where its numbers stand. */
export interface WireKey {
  /** enum watch_notification_type. */
  readonly type: number;
  readonly subtype: number;
  /** Shortest valid record in bytes, header included; longer ones are accepted (later revisions append fields). */
  readonly minLength: number;
  /** Byte offset of `subject` (u32) and `code` (s32), both little endian as the host; undefined = 0. */
  readonly subjectOffset?: number;
  readonly codeOffset?: number;
}

/** One event type, declared once; decode, metrics, logs and docs are driven by it. One file a definition. */
export interface EventDefinition {
  /** OpenTelemetry event name and value of the `event` label. */
  readonly name: string;
  /** undefined for what no source delivers: the exporter concludes it. */
  readonly wire: WireKey | undefined;
  /** False for bookkeeping records: counted as received, but no log event. */
  readonly logged: boolean;
  /** True when the event belongs to a client, so that one without a client counts as unattributed. */
  readonly ofClient: boolean;
  /** Which family of counters it moves. */
  readonly counts: 'vm_rebind_error' | 'vm_rebind_outcome' | 'loss' | 'none';
  severity(event: DeviceEvent): Severity;
  /** True for the last word on a client's trouble: it comes rarely by its nature, and log sinks never suppress it. */
  isFinal(event: DeviceEvent): boolean;
  /** Value of `error.type`; undefined when it is no failure. */
  errorType(event: DeviceEvent): string | undefined;
  /** One sentence that a person can act on. */
  body(event: DeviceEvent): string;
  /** Attributes beyond those of the device, process and workload. */
  attributes(event: DeviceEvent): Readonly<Record<string, AttributeValue>>;
}

export type { ErrnoLabel };
