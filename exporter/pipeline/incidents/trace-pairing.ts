import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import { CompleteReports } from './complete-reports.js';
import { PairingQueue } from './pairing-queue.js';
import type { Waiting } from './waiting-incidents.js';

/** Two reports of one death differ by microseconds; their clocks, and a log without times that is polled, by more. */
const PAIR_MS = 2_000;
/** What only the trace has reported is an incident by itself after this time. */
const WAIT_MS = 2_000;
/** A report whose counterpart is read so late is still not counted twice. */
const REMEMBERED_MS = 10_000;

/** An incident that another source has reported. */
export interface Reported {
  /** undefined when its victim is known already. */
  readonly waiting: Waiting | undefined;
}

interface ReportedBare extends Reported {
  readonly at: number;
  readonly event: DeviceEvent;
}

/** What the trace has said of an incident that nobody else has reported yet. */
export interface Traced {
  readonly at: number;
  waitsFrom: number;
  readonly event: DeviceEvent;
  /** It is an incident by itself by now. */
  published: boolean;
}

const COMPLETE: Reported = { waiting: undefined };

/**
 * Pairs what the trace says of one device, a process without an error code, with what others report, an error code without a process. The
 * driver works off the VMs of a device one by one, so the k-th of one is the k-th of the other; a client that both name has to be the
 * same. Times are in milliseconds.
 */
export class TracePairing {
  readonly #bare = new PairingQueue<ReportedBare>();
  /** Made with the first: the kernel log has none. */
  #complete: CompleteReports | undefined;
  readonly #traced = new PairingQueue<Traced>();

  /** How many reports are remembered. */
  get length(): number {
    return this.#bare.length + (this.#complete?.length ?? 0) + this.#traced.length;
  }

  /** Takes the incident, reported before, that this report of the trace is about. */
  takeReported(trace: DeviceEvent, at: number): Reported | undefined {
    const client = drmClientIdOf(trace) ?? -1;
    const completeAt = this.#complete?.find(at, PAIR_MS, client);
    // The older of the two: incidents of a device pair in their order, whoever reported them.
    const bare = this.#bare.take(at, PAIR_MS, (one) => !(completeAt! <= one.at) && mayBeSame(one.event, trace));
    if (bare !== undefined || completeAt === undefined) return bare;
    this.#complete?.take(at, PAIR_MS, client);
    return COMPLETE;
  }

  /** Takes what the trace has said before of this incident, which another source reports. On the hot path. */
  takeTraced(event: DeviceEvent, at: number): Traced | undefined {
    return this.#traced.empty ? undefined : this.#traced.take(at, PAIR_MS, (one) => mayBeSame(one.event, event));
  }

  /** The trace has reported an incident first. @returns when it is one by itself, if nobody else reports it */
  addTraced(event: DeviceEvent, at: number, waitsFrom: number): number {
    this.#traced.add({ at, waitsFrom, event, published: false });
    return waitsFrom + WAIT_MS;
  }

  /** Another source has reported an incident first, without its client. */
  addBare(event: DeviceEvent, at: number, waiting: Waiting | undefined): void {
    this.#bare.add({ at, event, waiting });
  }

  /** Another source has reported an incident first, with its client. On the hot path. */
  addComplete({ client }: DeviceEvent, at: number): void {
    this.#complete ??= new CompleteReports();
    this.#complete.add(at, client?.drmClientId ?? -1);
  }

  /** What only the trace has reported, and whose wait is over. @param now Infinity for all of it */
  *due(now: number): Generator<DeviceEvent> {
    for (const one of this.#traced) {
      if (one.published || one.waitsFrom + WAIT_MS > now) continue;
      one.published = true;
      yield one.event;
    }
  }

  /** What waits, waits so many milliseconds longer. */
  postpone(ms: number): void {
    for (const one of this.#traced) one.waitsFrom += ms;
  }

  /** Forgets what is too old to matter. @returns when to do so again, or when something is due; Infinity for never */
  age(now: number): number {
    for (const queue of [this.#bare, this.#complete, this.#traced]) queue?.forgetBefore(now - REMEMBERED_MS);
    let next = this.length === 0 ? Infinity : now + REMEMBERED_MS;
    for (const { published, waitsFrom } of this.#traced) if (!published) next = Math.min(next, waitsFrom + WAIT_MS);
    return next;
  }
}

function mayBeSame(a: DeviceEvent, b: DeviceEvent): boolean {
  const [one, other] = [drmClientIdOf(a), drmClientIdOf(b)];
  return one === undefined || other === undefined || one === other;
}

function drmClientIdOf({ client, details }: DeviceEvent): number | undefined {
  const traced = details?.[ATTRIBUTE.drmClientId];
  return client?.drmClientId ?? (typeof traced === 'number' ? traced : undefined);
}
