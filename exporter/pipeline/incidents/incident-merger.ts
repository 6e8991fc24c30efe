import { Alarm } from '../../time/alarm.js';
import type { XeClient } from '../../clients/client.js';
import type { DeviceEvent, EventDefinition, InferredVictim, Merging } from '../../events/device-event.js';
import { ATTRIBUTE, type SourceName } from '../../names.js';
import { withTracedClient } from '../identify/traced-clients.js';
import { ReportLedger } from './report-ledger.js';
import { SeenLines } from './seen-lines.js';
import { TraceReports } from './trace-reports.js';

/** Reports of one incident happened within so many milliseconds of each other. */
const MERGE_WINDOW_MS = 10_000;

/** Incidents that can wait for their victim, and kinds of incident that are told apart, at a time. */
const MAX_WAITING = 4096;
const MAX_KINDS = 256;

/** What merging counts. */
export interface MergeAccounting {
  /** A report of an incident that is counted already. */
  deduplicated(source: SourceName): void;
  /** A report that a full table could not remember: should another source report the incident, it counts again. */
  unmerged(source: SourceName): void;
}

export interface IncidentMergerOptions {
  /** Takes each event, at once or after its wait; must not throw and must not call back. */
  readonly next: (event: DeviceEvent) => void;
  /** Who an incident of a client probably hit, asked when its wait is over. */
  readonly infer?: (event: DeviceEvent) => InferredVictim | undefined;
  /** The client that the trace has named, asked again while it is not known. */
  readonly find?: (event: DeviceEvent) => XeClient | undefined;
  readonly accounting: MergeAccounting;
  /** Milliseconds of CLOCK_MONOTONIC, as the time of events. */
  readonly now: () => number;
  readonly windowMs?: number;
  readonly maxWaiting?: number;
  readonly maxKinds?: number;
}

/** An incident that the device's counters have, and that waits for what else is to be known of it. */
interface Waiting {
  event: DeviceEvent;
  readonly kind: Kind;
  readonly deadline: number;
  /** Its victim is published: it stands here only for the order of its kind. */
  done: boolean;
}

/** The incidents of one definition and error code on one device. */
interface Kind {
  readonly definition: EventDefinition;
  readonly errorCode: number;
  /** Reports whose counterpart has not come, of the kernel log and of the sources that say more. */
  readonly bare: ReportLedger;
  readonly full: ReportLedger;
  readonly waiting: Waiting[];
  /** `until_bound`: true from the first report on. */
  standing: boolean;
  /** `until_bound`: what happened before that is a report of the incident that ended then. */
  endedAt: number;
}

/**
 * Makes one incident of the reports of several sources (see {@link Merging}): each is counted exactly once, in either order of its
 * reports, as long as they happened within the window and are read within it. A report of the kernel log is published as `opened`
 * at once, and as `concluded` when a fuller report has come or its wait is over. A fuller report that comes later still is merged and
 * adds nothing: the incident has been put down to nobody by then, and the counts by client have to add up to those of the
 * device. Where memory ends it counts twice rather than not at all.
 */
export class IncidentMerger {
  readonly #options: IncidentMergerOptions;
  readonly #windowMs: number;
  readonly #maxWaiting: number;
  readonly #maxKinds: number;
  readonly #alarm: Alarm;
  readonly #lines = new SeenLines();
  readonly #traces: TraceReports;
  /** Those that wait for a client that the trace has named. */
  readonly #unidentified = new Set<Waiting>();
  /** By PCI address. A device has a handful, so that searching them costs the hot path less than hashing would. */
  readonly #byDevice = new Map<string, Kind[]>();
  #kinds = 0;
  #waiting = 0;
  #closed = false;
  #batchNs = 0n;
  #batchMs = 0;

  constructor(options: IncidentMergerOptions) {
    this.#options = options;
    this.#windowMs = options.windowMs ?? MERGE_WINDOW_MS;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
    this.#maxKinds = options.maxKinds ?? MAX_KINDS;
    this.#alarm = new Alarm(options.now, () => this.#sweep());
    this.#traces = new TraceReports({ now: options.now, publish: (event) => options.next(this.#concluded(event)) });
  }

  /** How much is remembered: kinds of incident, incidents that wait, and reports that wait for or of the trace. */
  get remembered(): { readonly kinds: number; readonly waiting: number; readonly traces: number } {
    return { kinds: this.#kinds, waiting: this.#waiting, traces: this.#traces.remembered };
  }

  /** Passes an event on, holds part of it back, or counts it as known. A binding ends what stood on its device. */
  readonly accept = (event: DeviceEvent): void => {
    this.#merge(event);
    if (event.definition.endsIncidents && event.device) this.ended(event.device.pciBdf);
  };

  #merge(event: DeviceEvent): void {
    const { source, bare } = event;
    const { merging } = event.definition;
    if (bare && this.#readBefore(event)) return this.#options.accounting.deduplicated(source);
    if (merging === undefined || this.#closed) return this.#options.next(event);
    if (source === 'trace') return this.#takeTrace(event);
    const kind = this.#kindOf(event);
    if (kind === undefined) return this.#options.next(event);
    const at = this.#happened(event);
    if (this.#isKnown(kind, merging, bare, at)) {
      this.#options.accounting.deduplicated(source);
      if (!bare) this.#complete(kind.waiting.shift(), event);
      return;
    }
    if (bare) return this.#open(event, kind, merging);
    const published = event.definition.trace !== undefined && this.#traces.complete(event, at);
    if (published) return this.#options.accounting.deduplicated(source);
    this.#options.next(event);
  }

  /** Asks again for the clients that the trace has named. */
  clientAdded(): void {
    for (const waiting of this.#unidentified) this.#identify(waiting, waiting.event);
  }

  /** A bare report of an incident that no other source but the trace may have reported. */
  #open(event: DeviceEvent, kind: Kind, merging: Merging): void {
    const held: { waiting?: Waiting | undefined } = {};
    const trace = event.definition.trace && this.#traces.match(event, (later) => this.#identify(held.waiting, later));
    if (trace === 'published') return this.#options.accounting.deduplicated(event.source);
    const known = trace === undefined ? event : withTrace(event, trace);
    if (trace?.client !== undefined) return this.#options.next(known);
    held.waiting = this.#wait(known, kind, merging);
  }

  #takeTrace(event: DeviceEvent): void {
    if (this.#traces.take(event)) this.#options.accounting.deduplicated(event.source);
  }

  /** To be called before its victim is published. @returns whether that has happened */
  #end(waiting: Waiting): boolean {
    this.#unidentified.delete(waiting);
    const { done } = waiting;
    waiting.done = true;
    return done;
  }

  /** The trace says whose incident it is that waits; its client may not be known yet. */
  #identify(waiting: Waiting | undefined, trace: DeviceEvent): void {
    if (waiting === undefined || waiting.done) return;
    waiting.event = withTrace(waiting.event, trace);
    const client = trace.client ?? this.#options.find?.(trace);
    if (client === undefined) {
      if (isTraced(trace)) this.#unidentified.add(waiting);
      return;
    }
    this.#end(waiting);
    this.#options.next({ ...withTracedClient(waiting.event, client), phase: 'concluded' });
  }

  /** The driver has let go of the device, or has bound to it: what stood until then is over. */
  ended(pciBdf: string): void {
    const now = this.#options.now();
    for (const kind of this.#byDevice.get(pciBdf) ?? []) {
      if (!kind.standing) continue;
      kind.standing = false;
      kind.endedAt = now;
      this.#alarm.setFor(now + this.#windowMs);
    }
  }

  /** Publishes what waits with what is known now; from then on every report is an incident. A second close is the first. */
  close(): void {
    this.#closed = true;
    this.#alarm.clear();
    this.#traces.close();
    for (const kinds of this.#byDevice.values()) {
      for (const kind of kinds) for (const waiting of kind.waiting.splice(0)) this.#conclude(waiting);
    }
    this.#byDevice.clear();
    this.#kinds = 0;
  }

  #readBefore({ details }: DeviceEvent): boolean {
    const line = details?.[ATTRIBUTE.kernelLogSequence];
    return typeof line === 'number' && this.#lines.readBefore(line);
  }

  #isKnown(kind: Kind, { by }: Merging, bare: boolean, at: number): boolean {
    if (by === 'until_bound') {
      if (kind.standing || at < kind.endedAt) return true;
      kind.standing = true;
      return false;
    }
    if ((bare ? kind.full : kind.bare).take(at)) return true;
    (bare ? kind.bare : kind.full).add(at);
    // What the earliest deadline is does not matter here: the sweep looks at everything.
    if (!this.#alarm.set) this.#alarm.setFor(this.#options.now() + this.#windowMs);
    return false;
  }

  #wait(event: DeviceEvent, kind: Kind, { waitMs }: Merging): Waiting | undefined {
    if (this.#waiting >= this.#maxWaiting) return void this.#options.next(event);
    const deadline = this.#options.now() + waitMs;
    const waiting = { event, kind, deadline, done: false };
    this.#waiting++;
    kind.waiting.push(waiting);
    if (isTraced(event)) this.#unidentified.add(waiting);
    this.#options.next({ ...event, phase: 'opened' });
    this.#alarm.setFor(deadline);
    return waiting;
  }

  /** A report that says more has come for an incident that waits. */
  #complete(waiting: Waiting | undefined, { client, device, vmId, details }: DeviceEvent): void {
    if (waiting === undefined) return;
    const { event } = waiting;
    this.#waiting--;
    if (this.#end(waiting)) return;
    this.#options.next({
      ...event,
      client: client ?? event.client,
      device: device ?? event.device,
      vmId: vmId === 0 ? event.vmId : vmId,
      details: { ...event.details, ...details },
      phase: 'concluded',
    });
  }

  /** Nothing more will be known. */
  #conclude(waiting: Waiting): void {
    this.#waiting--;
    if (!this.#end(waiting)) this.#options.next({ ...this.#concluded(waiting.event), phase: 'concluded' });
  }

  /** Where the trace has named somebody, nobody else is inferred. */
  #concluded(event: DeviceEvent): DeviceEvent {
    if (event.client !== undefined || !event.definition.ofClient) return event;
    if (!isTraced(event)) return { ...event, inferred: this.#options.infer?.(event) };
    const client = this.#options.find?.(event);
    return client === undefined ? event : withTracedClient(event, client);
  }

  /** Ends waits that are over and forgets what is too old to matter. */
  #sweep(): void {
    const now = this.#options.now();
    this.#kinds = 0;
    for (const [pciBdf, kinds] of this.#byDevice) {
      for (const kind of kinds) this.#age(kind, now);
      const kept = kinds.filter((kind) => kind.standing || !this.#isOver(kind, now));
      this.#kinds += kept.length;
      if (kept.length === 0) this.#byDevice.delete(pciBdf);
      else this.#byDevice.set(pciBdf, kept);
    }
  }

  #age(kind: Kind, now: number): void {
    while (kind.waiting.length > 0 && kind.waiting[0]!.deadline <= now) this.#conclude(kind.waiting.shift()!);
    kind.bare.forget(now);
    kind.full.forget(now);
    const [next] = kind.waiting;
    if (next !== undefined) this.#alarm.setFor(next.deadline);
    else if (!kind.standing && !this.#isOver(kind, now)) this.#alarm.setFor(now + this.#windowMs);
  }

  #isOver({ waiting, bare, full, endedAt }: Kind, now: number): boolean {
    return waiting.length === 0 && bare.empty && full.empty && endedAt < now - this.#windowMs;
  }

  /** undefined for an event without a device, which nothing can be merged with, or when the table is full. */
  #kindOf({ device, definition, errorCode, source }: DeviceEvent): Kind | undefined {
    if (device === undefined) return undefined;
    const kinds = this.#byDevice.get(device.pciBdf) ?? [];
    for (const kind of kinds) if (kind.errorCode === errorCode && kind.definition === definition) return kind;
    if (this.#kinds >= this.#maxKinds) return void this.#options.accounting.unmerged(source);
    const kind: Kind = {
      definition,
      errorCode,
      bare: new ReportLedger(this.#windowMs),
      full: new ReportLedger(this.#windowMs),
      waiting: [],
      standing: false,
      endedAt: -Infinity,
    };
    this.#byDevice.set(device.pciBdf, [...kinds, kind]);
    this.#kinds++;
    return kind;
  }

  /** Converted once a batch of the watch queue: its events carry one time. */
  #happened({ monotonicNs }: DeviceEvent): number {
    if (monotonicNs !== this.#batchNs) {
      this.#batchNs = monotonicNs;
      this.#batchMs = Number(monotonicNs) / 1e6;
    }
    return this.#batchMs;
  }
}

/** Whether the trace has named a process. */
function isTraced({ details }: DeviceEvent): boolean {
  return details?.[ATTRIBUTE.victimEvidence] !== undefined;
}

function withTrace(event: DeviceEvent, { client, details }: DeviceEvent): DeviceEvent {
  return { ...event, client: event.client ?? client, details: { ...event.details, ...details } };
}
