import type { XeClient } from '../clients/client.js';
import type { XeDevice } from '../host/device.js';
import type { MemorySnapshot } from '../host/memory.js';
import type { ClientFault, Outcome, SourceName } from '../names.js';
import type { KernelLogText } from '../wire/kernel-log.js';
import type { Uevent } from '../wire/uevent.js';
import type { HealthSignal } from './device-health.js';

/** OpenTelemetry severity numbers in use (logs data model): INFO 9, WARN 13, ERROR 17, FATAL 21. */
export type Severity = 9 | 13 | 17 | 21;

export type AttributeValue = string | number | boolean;

/** One thing the kernel told us. Fixed shape, so that the hot path stays monomorphic. */
export interface DeviceEvent {
  readonly definition: EventDefinition;
  readonly source: SourceName;
  /** What the source can say of an incident, stamped where the report is made. */
  readonly report: ReportKind;
  /** Counts the events of this process from 1, an outcome has that of the event it follows; with the exporter's instance id it makes `xe.event.id`. */
  readonly sequence: number;
  /** CLOCK_REALTIME and CLOCK_MONOTONIC when the record was read, nanoseconds: the record itself carries no time. */
  readonly realtimeNs: bigint;
  readonly monotonicNs: bigint;
  /** The client whose file it was; undefined for events that belong to no client, or when the watch id is not ours any more. */
  readonly client: XeClient | undefined;
  readonly device: XeDevice | undefined;
  /** The VM of the client that failed, from 1; 0 where the source does not name it, or when the event is not about a VM. */
  readonly vmId: number;
  /** The kernel's error code, a negative errno; 0 for an event without one. */
  readonly errorCode: number;
  /** How many messages are missing at least, for a notice that messages were lost; 0 where the kernel gives no number. */
  readonly lostMessages: number;
  /** What the kernel log says, word for word: the same for each repeat of one line; undefined for what is no line of it. */
  readonly said: string | undefined;
  /** `xe.event.id` of the event that it follows from; undefined for one that follows from none. */
  readonly causeId: string | undefined;
  /** How many equal reports it stands for beside itself: see pipeline/storms.ts. */
  readonly repeats: number;
  /** What became of the client; undefined unless the event says that. */
  readonly outcome: Outcome | undefined;
  /** What a kernel log line or uevent says in words, as attributes of the log event; undefined for records of the watch queue. */
  readonly details: EventDetails | undefined;
  /** Who it probably was, where the kernel does not say: for log events only, a metric never guesses. */
  readonly inferred: InferredVictim | undefined;
  /** Who held the memory of the device; undefined when it was not or could not be read. */
  readonly memory: MemorySnapshot | undefined;
  /** Whether this is the whole incident, which is nearly always so, or its first or second half. */
  readonly phase: IncidentPhase;
}

/**
 * `full`: all that is to be known. `bare`: what happened; a report by another source may say to which client, or more: a kernel log
 * line. `victim`: to which client, without an error code: the trace.
 */
export type ReportKind = 'full' | 'bare' | 'victim';

/**
 * An incident is published `whole`, or in two halves when its report is bare: `opened` moves the counters of the device at once and is
 * not logged; `concluded` follows within a bounded time, with the same sequence and whatever is known by then. It moves the counters
 * of the client and is logged.
 */
export type IncidentPhase = 'whole' | 'opened' | 'concluded';

export type EventDetails = Readonly<Record<string, AttributeValue>>;

/** A victim that was concluded, and from what. */
export interface InferredVictim {
  readonly client: XeClient;
  /** Value of the attribute `xe.victim.evidence`. */
  readonly evidence: VictimEvidence;
}

/**
 * `client_closed`: the one client of the device that closed within the window. `job_timeout`: the one
 * process of a `Timedout job` line on the device. `only_client`: it was the only compute client of the device.
 */
export type VictimEvidence = 'client_closed' | 'job_timeout' | 'only_client';

/** What every event of a source without numbers has: the fields in the order of the hot path, so that all events have one shape. */
export function eventOf(
  given: Pick<DeviceEvent, 'definition' | 'source' | 'sequence' | 'realtimeNs' | 'monotonicNs'> & Partial<DeviceEvent>,
): DeviceEvent {
  return {
    definition: given.definition,
    source: given.source,
    report: given.report ?? 'full',
    sequence: given.sequence,
    realtimeNs: given.realtimeNs,
    monotonicNs: given.monotonicNs,
    client: given.client,
    device: given.device,
    vmId: given.vmId ?? 0,
    errorCode: given.errorCode ?? 0,
    lostMessages: given.lostMessages ?? 0,
    said: given.said,
    causeId: given.causeId,
    repeats: given.repeats ?? 0,
    outcome: given.outcome,
    details: given.details,
    inferred: given.inferred,
    memory: given.memory,
    phase: given.phase ?? 'whole',
  };
}

/**
 * What follows from what, when incidents of one device happen within seconds of each other: a `root` (firmware, hardware, the bus) brings
 * down a VM or a job, whose `trigger` brings a `hang`, and all of them bring `consequence`s, such as resets and coredumps.
 */
export const EVENT_RANKS = ['root', 'trigger', 'hang', 'consequence'] as const;
export type EventRank = (typeof EVENT_RANKS)[number];

/** Which record of the watch queue an event is, and where its numbers stand. */
export interface WireKey {
  /** enum watch_notification_type. */
  readonly type: number;
  readonly subtype: number;
  /** Shortest valid record in bytes, header included; longer ones are accepted (later revisions append fields). */
  readonly minLength: number;
  /** Byte offsets of the vm_id (u32) and the error_code (s32), both little endian as the host; undefined = 0. */
  readonly vmIdOffset?: number;
  readonly errorCodeOffset?: number;
}

/** What a message of the kernel says beyond its device. */
export interface MessageFacts {
  readonly errorCode?: number;
  readonly details?: EventDetails;
}

/** How kernel log lines report an event (drivers/gpu/drm/xe; the messages differ between kernel versions). */
export interface KernelLogKey {
  /** Who prints the lines: the xe driver, which names the device, or TTM, which names none and serves other drivers, too. */
  readonly from?: 'xe' | 'ttm';
  /** Lines of a lesser level say nothing: 3 for errors and worse. Without it the level does not matter. */
  readonly level?: number;
  /** One of them has to match the message of the line, which is what follows the driver's prefix. No two definitions match one line. */
  readonly patterns: readonly RegExp[];
  /** Reads the named groups of the match; without it there is nothing to read. */
  readonly read?: (groups: Readonly<Record<string, string | undefined>>, line: KernelLogText) => MessageFacts;
}

/** How a uevent reports an event. */
export interface UeventKey {
  /** What it says, or undefined when it is another event. */
  readonly read: (uevent: Uevent) => MessageFacts | undefined;
}

/**
 * How reports of one incident by several sources become one event. A bare report moves the counters of the device at once; the rest
 * waits for a report by another source that says more.
 */
export interface Merging {
  /** How long a bare report waits for one that says more, in milliseconds. */
  readonly waitMs: number;
  /**
   * `one_to_one`: a report of each side makes one incident when device, error code and time agree. `until_bound`: everything reported
   * until the driver lets go of the device, or binds to it, is the same incident.
   */
  readonly by: 'one_to_one' | 'until_bound';
}

/** The counter that an event moves by one. Every series exists at 0 from the discovery of its device. */
export interface EventCounter {
  readonly name: `xe_${string}_total`;
  /** HELP of the metric: one plain sentence that ends in a full stop. */
  readonly help: string;
  /** True for one series for the whole node, because the kernel names no device; otherwise each device has its own. */
  readonly ofNode?: true;
  /** A label beyond the device, with all its values. */
  readonly label?: {
    readonly name: string;
    readonly values: readonly string[];
    readonly valueOf: (event: DeviceEvent) => string;
  };
}

/**
 * One event type, declared once by `define()`: decode, metrics, logs and the reference are driven by it. What only one event does (the
 * rebind error has counters by client and an outcome) asks for that definition by its identity.
 */
export interface EventDefinition {
  /** OpenTelemetry event name and value of the `event` label. */
  readonly name: string;
  /** What happened, in a few words for the event reference. */
  readonly summary: string;
  /** How each kind of source reports it; with none of them the exporter concludes it. */
  readonly wire: WireKey | undefined;
  readonly kernelLog: KernelLogKey | undefined;
  readonly uevent: UeventKey | undefined;
  /** Which deaths of VMs in the driver's trace it stands for: in the rebind worker, or `other`. */
  readonly trace: 'rebind' | 'other' | undefined;
  /** For an event that more than one source reports; without it every report is an incident. */
  readonly merging: Merging | undefined;
  /** True when the driver binds a device or lets go of it: incidents that last `until_bound` are over. */
  readonly endsIncidents: boolean;
  /** False for bookkeeping records: counted as received, but no log event. */
  readonly logged: boolean;
  /** True when the event belongs to a client, so that one without a client counts as unattributed. */
  readonly ofClient: boolean;
  /** What it counts as for the client it hit; undefined when it is no fault of a client, or has counters by client of its own. */
  readonly fault: ClientFault | undefined;
  /** True when it is about a VM: `vmId` and `errorCode` are set. */
  readonly ofVm: boolean;
  readonly counter: EventCounter | undefined;
  /** Where it stands in a chain of incidents of one device; undefined for an event that is in none. */
  readonly rank: EventRank | ((event: DeviceEvent) => EventRank) | undefined;
  /** What it says about the fitness of its device; undefined for an event that says nothing: what a job did is no fault of the device. */
  readonly health: ((event: DeviceEvent) => HealthSignal | undefined) | undefined;
  /** Whether its log event should say who held the memory of the device. */
  wantsMemory(event: DeviceEvent): boolean;
  severity(event: DeviceEvent): Severity;
  /** True for the last event about a client's trouble: such events are rare by nature, and log sinks never suppress them. */
  isFinal(event: DeviceEvent): boolean;
  /** Value of `error.type`; undefined when it is no failure. */
  errorType(event: DeviceEvent): string | undefined;
  /** One sentence that a person can act on. */
  body(event: DeviceEvent): string;
  /** Attributes beyond those of the device, process and workload. */
  attributes(event: DeviceEvent): Readonly<Record<string, AttributeValue>>;
}
