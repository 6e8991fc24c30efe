import type { DeviceEvent, EventDefinition, Merging } from '../../events/device-event.js';
import { reportPairing, type ReportPairing } from './report-pairing.js';
import { TracePairing } from './trace-pairing.js';
import type { Waiting } from './waiting-incidents.js';

/** The incidents of one definition and error code on one device. */
export interface IncidentKind {
  readonly definition: EventDefinition;
  readonly errorCode: number;
  readonly reports: ReportPairing;
  /** By their number in `reports`. */
  readonly waiting: Map<number, Waiting>;
}

/** What is remembered of the incidents of one device. */
export class DeviceIncidents {
  readonly trace = new TracePairing();
  readonly #windowMs: number;
  /** A handful, so that searching them costs the hot path less than hashing would. */
  readonly #kinds: IncidentKind[] = [];

  /** @param windowMs reports of one incident happened within so many milliseconds of each other */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  get kinds(): number {
    return this.#kinds.length;
  }

  /** The kind of an event; undefined when it is not known. */
  kindOf({ definition, errorCode }: DeviceEvent): IncidentKind | undefined {
    for (const kind of this.#kinds) if (kind.errorCode === errorCode && kind.definition === definition) return kind;
    return undefined;
  }

  addKind({ definition, errorCode }: DeviceEvent, merging: Merging): IncidentKind {
    const reports = reportPairing(merging, this.#windowMs);
    const kind = { definition, errorCode, reports, waiting: new Map<number, Waiting>() };
    this.#kinds.push(kind);
    return kind;
  }

  /** The driver has let go of the device, or has bound to it. */
  ended(now: number): void {
    for (const { reports } of this.#kinds) reports.ended(now);
  }

  /** Incidents whose wait is over. @param now Infinity for all of them */
  *due(now: number): Generator<Waiting> {
    for (const { waiting } of this.#kinds) {
      for (const one of waiting.values()) {
        if (one.deadline > now) break;
        yield one;
      }
    }
  }

  /** What waits, waits so many milliseconds longer. */
  postpone(ms: number): void {
    this.trace.postpone(ms);
    for (const { waiting } of this.#kinds) for (const one of waiting.values()) one.deadline += ms;
  }

  /** Forgets what is too old to matter. @returns when to do so again, or when something is due; Infinity for never */
  age(now: number): number {
    let next = this.trace.age(now);
    for (let index = this.#kinds.length - 1; index >= 0; index--) {
      const { reports, waiting } = this.#kinds[index]!;
      reports.forget(now);
      if (reports.empty && waiting.size === 0) this.#kinds.splice(index, 1);
      if (reports.ages) next = Math.min(next, now + this.#windowMs);
      for (const { deadline } of waiting.values()) {
        next = Math.min(next, deadline);
        break;
      }
    }
    return next;
  }

  /** Whether nothing is remembered. */
  get empty(): boolean {
    return this.#kinds.length === 0 && this.trace.length === 0;
  }
}
