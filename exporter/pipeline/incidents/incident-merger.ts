import { Alarm } from '../../time/alarm.js';
import type { DeviceEvent, Merging } from '../../events/device-event.js';
import { ATTRIBUTE, type SourceName } from '../../names.js';
import { DeviceIncidents, type IncidentKind } from './device-incidents.js';
import { Victims, withTrace, type VictimsOptions } from './victims.js';
import { WaitingIncidents, type Waiting } from './waiting-incidents.js';

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

export interface IncidentMergerOptions extends VictimsOptions {
  /** Takes each event, at once or after its wait; must not throw and must not call back. */
  readonly next: (event: DeviceEvent) => void;
  readonly accounting: MergeAccounting;
  /** Milliseconds of CLOCK_MONOTONIC, as the time of events. */
  readonly now: () => number;
  readonly windowMs?: number;
  readonly maxWaiting?: number;
  readonly maxKinds?: number;
}

/**
 * Makes one incident of the reports of several sources (see {@link Merging}): each is counted exactly once, in any order of its
 * reports, as long as they happened within the window and are read within it. A bare report is published as `opened` at once, and as
 * `concluded` when a fuller report or the trace has named the victim, or its wait is over. A report that comes later still is merged
 * and adds nothing: the incident has been put down to nobody by then, and the counts by client have to add up to those of the
 * device. Where memory ends it counts twice rather than not at all.
 */
export class IncidentMerger {
  readonly #options: IncidentMergerOptions;
  readonly #windowMs: number;
  readonly #alarm: Alarm;
  /** Number of the newest line of the kernel log; a source that starts again can read older ones again. */
  #newestLine = -1;
  readonly #victims: Victims;
  readonly #waiting: WaitingIncidents;
  /** By PCI address; '' has what the trace says without naming a device, before Linux 6.12. */
  readonly #byDevice = new Map<string, DeviceIncidents>();
  #kinds = 0;
  #closed = false;
  #batchNs = 0n;
  #batchMs = 0;

  constructor(options: IncidentMergerOptions) {
    this.#options = options;
    this.#windowMs = options.windowMs ?? MERGE_WINDOW_MS;
    this.#alarm = new Alarm(
      options.now,
      () => this.#sweep(),
      (ms) => this.#postpone(ms),
    );
    this.#victims = new Victims(options);
    const { next, maxWaiting: max = MAX_WAITING } = options;
    this.#waiting = new WaitingIncidents({ next, victims: this.#victims, max });
  }

  /** How much is remembered: kinds of incident, incidents that wait, and reports that wait for or of the trace. */
  get remembered(): { readonly kinds: number; readonly waiting: number; readonly traces: number } {
    const traces = [...this.#byDevice.values()].reduce((sum, { trace }) => sum + trace.length, 0);
    return { kinds: this.#kinds, waiting: this.#waiting.length, traces };
  }

  /** Passes an event on, holds part of it back, or counts it as known. A binding ends what stood on its device. */
  readonly accept = (event: DeviceEvent): void => {
    this.#merge(event);
    if (event.definition.endsIncidents && event.device) this.ended(event.device.pciBdf);
  };

  /** Asks again for the clients that the trace has named. */
  clientAdded(): void {
    this.#waiting.clientAdded();
  }

  /** The driver has let go of the device, or has bound to it: what stood until then is over. */
  ended(pciBdf: string): void {
    const now = this.#options.now();
    const incidents = this.#byDevice.get(pciBdf);
    incidents?.ended(now);
    if (incidents !== undefined) this.#alarm.setFor(now + this.#windowMs);
  }

  /** Publishes what waits with what is known now; from then on every report is an incident. A second close is the first. */
  close(): void {
    this.#closed = true;
    this.#alarm.clear();
    for (const incidents of this.#byDevice.values()) this.#conclude(incidents, Infinity);
    this.#byDevice.clear();
    this.#kinds = 0;
  }

  #merge(event: DeviceEvent): void {
    const { report, device } = event;
    const { merging } = event.definition;
    if (report === 'bare' && this.#readBefore(event)) return this.#deduplicated(event);
    if (merging === undefined || this.#closed) return this.#options.next(event);
    if (report === 'victim') return this.#mergeTrace(event);
    if (device === undefined) return this.#options.next(event);
    const incidents = this.#incidentsOf(device.pciBdf);
    const kind = incidents.kindOf(event) ?? this.#addKind(incidents, event, merging);
    if (kind === undefined) return this.#options.next(event);
    const at = this.#happened(event);
    const known = kind.reports.known(report === 'bare', at);
    // What the earliest deadline is does not matter here: the sweep looks at everything.
    if (!this.#alarm.set) this.#alarm.setFor(this.#options.now() + this.#windowMs);
    if (known !== undefined) return this.#repeat(event, kind, known);
    this.#begin(event, at, incidents, kind, merging);
  }

  /** Another report of an incident. */
  #repeat(event: DeviceEvent, { waiting }: IncidentKind, number: number): void {
    this.#deduplicated(event);
    const one = event.report === 'full' ? waiting.get(number) : undefined;
    if (one !== undefined) this.#waiting.complete(one, event);
  }

  /** An incident that no other source but the trace may have reported. */
  #begin(event: DeviceEvent, at: number, incidents: DeviceIncidents, kind: IncidentKind, merging: Merging): void {
    const pairsWithTrace = event.definition.trace !== undefined;
    const traced = pairsWithTrace ? incidents.trace.takeTraced(event, at) : undefined;
    if (traced?.published) return this.#deduplicated(event);
    if (event.report === 'full') {
      if (pairsWithTrace && traced === undefined) incidents.trace.addComplete(event, at);
      return this.#options.next(event);
    }
    if (traced?.event.client !== undefined) return this.#options.next(withTrace(event, traced.event));
    const known = traced === undefined ? event : withTrace(event, traced.event);
    const waiting = this.#wait(known, kind, merging);
    if (pairsWithTrace && traced === undefined) incidents.trace.addBare(event, at, waiting);
  }

  #wait(event: DeviceEvent, { reports, waiting }: IncidentKind, { waitMs }: Merging): Waiting | undefined {
    const deadline = this.#options.now() + waitMs;
    this.#alarm.setFor(deadline);
    return this.#waiting.open({ event, deadline, among: waiting, number: reports.newest });
  }

  /** What the trace says: whom an incident hit that was reported before, or may be reported yet. */
  #mergeTrace(event: DeviceEvent): void {
    const { trace } = this.#incidentsOf(event.device?.pciBdf ?? '');
    const at = this.#happened(event);
    const reported = trace.takeReported(event, at);
    if (reported === undefined) return this.#alarm.setFor(trace.addTraced(event, at, this.#options.now()));
    this.#deduplicated(event);
    if (reported.waiting !== undefined) this.#waiting.name(reported.waiting, event);
  }

  #deduplicated({ source }: DeviceEvent): void {
    this.#options.accounting.deduplicated(source);
  }

  #readBefore({ details }: DeviceEvent): boolean {
    const line = details?.[ATTRIBUTE.kernelLogSequence];
    if (typeof line !== 'number') return false;
    if (line <= this.#newestLine) return true;
    this.#newestLine = line;
    return false;
  }

  #incidentsOf(pciBdf: string): DeviceIncidents {
    const known = this.#byDevice.get(pciBdf);
    if (known !== undefined) return known;
    const made = new DeviceIncidents(this.#windowMs);
    this.#byDevice.set(pciBdf, made);
    return made;
  }

  /** undefined when there are too many. */
  #addKind(incidents: DeviceIncidents, event: DeviceEvent, merging: Merging): IncidentKind | undefined {
    const { accounting, maxKinds = MAX_KINDS } = this.#options;
    if (this.#kinds >= maxKinds) return void accounting.unmerged(event.source);
    this.#kinds++;
    return incidents.addKind(event, merging);
  }

  /** Ends waits that are over and forgets what is too old to matter. */
  #sweep(): void {
    const now = this.#options.now();
    this.#kinds = 0;
    for (const [pciBdf, incidents] of this.#byDevice) {
      this.#conclude(incidents, now);
      const next = incidents.age(now);
      this.#kinds += incidents.kinds;
      if (incidents.empty) this.#byDevice.delete(pciBdf);
      if (next < Infinity) this.#alarm.setFor(next);
    }
  }

  /** Nothing was read meanwhile. */
  #postpone(ms: number): void {
    for (const incidents of this.#byDevice.values()) incidents.postpone(ms);
  }

  /** Nothing more will be known of what is due by then. */
  #conclude(incidents: DeviceIncidents, by: number): void {
    for (const waiting of incidents.due(by)) this.#waiting.conclude(waiting);
    for (const traced of incidents.trace.due(by)) this.#options.next(this.#victims.concluded(traced));
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
