import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import { Alarm } from '../../time/alarm.js';
import { CompleteReports } from './complete-reports.js';
import { PairingQueue } from './pairing-queue.js';

/** Two reports of one death differ by microseconds; their clocks, and a log without times that is polled, by more. */
const PAIR_MS = 2_000;
/** What only the trace has reported is an incident by itself after this time. */
const WAIT_MS = 2_000;
/** A report whose counterpart is read so late is still not counted twice. */
const REMEMBERED_MS = 10_000;

/** An incident that a bare report has opened. */
interface Reported {
  readonly at: number;
  readonly event: DeviceEvent;
  readonly onTraced: (trace: DeviceEvent) => void;
}

/** What the trace has said of an incident that nobody else has reported yet. */
interface Traced {
  readonly at: number;
  readonly readAt: number;
  readonly event: DeviceEvent;
  /** It is an incident by itself by now. */
  published: boolean;
}

interface OfDevice {
  readonly reported: PairingQueue<Reported>;
  /** Made with the first: the kernel log has none. */
  complete: CompleteReports | undefined;
  readonly traced: PairingQueue<Traced>;
}

export interface TraceReportsOptions {
  /** Takes what only the trace has reported when its wait is over. */
  readonly publish: (event: DeviceEvent) => void;
  /** Milliseconds of CLOCK_MONOTONIC, as the time of events. */
  readonly now: () => number;
}

/**
 * Pairs what the trace says, a process without an error code, with what others report, an error code without a process. The driver works
 * off the VMs of a device one by one, so the k-th of one is the k-th of the other; a client that both name has to be the same.
 */
export class TraceReports {
  readonly #options: TraceReportsOptions;
  readonly #alarm: Alarm;
  readonly #byDevice = new Map<string, OfDevice>();

  constructor(options: TraceReportsOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.now, () => this.#sweep());
  }

  /** How many reports are remembered. */
  get remembered(): number {
    return [...this.#byDevice.values()].reduce(
      (sum, of) => sum + [...of.reported].length + (of.complete?.length ?? 0) + [...of.traced].length,
      0,
    );
  }

  /** Takes what the trace says. @returns whether it is about an incident that was reported before; `onTraced` of that is called */
  take(event: DeviceEvent): boolean {
    const at = milliseconds(event);
    const { reported, complete, traced } = this.#of(event);
    const client = drmClientIdOf(event) ?? -1;
    const completeAt = complete?.find(at, PAIR_MS, client);
    // The older of the two: incidents of a device pair in their order, whoever reported them.
    const known = reported.take(at, PAIR_MS, (one) => !(completeAt! <= one.at) && mayBeSame(one.event, event));
    if (known !== undefined) {
      known.onTraced(event);
      return true;
    }
    if (completeAt !== undefined) {
      complete?.take(at, PAIR_MS, client);
      return true;
    }
    const readAt = this.#options.now();
    traced.add({ at, readAt, event, published: false });
    this.#alarm.setFor(readAt + WAIT_MS);
    return false;
  }

  /**
   * Another source has reported a new incident, and its client. On the hot path.
   *
   * @param at when it happened, milliseconds
   * @returns whether the trace has reported it, and it is published
   */
  complete(event: DeviceEvent, at: number): boolean {
    const of = this.#of(event);
    if (!of.traced.empty) {
      const known = of.traced.take(at, PAIR_MS, (one) => mayBeSame(one.event, event));
      if (known !== undefined) return known.published;
    }
    of.complete ??= new CompleteReports();
    of.complete.add(at, event.client?.drmClientId ?? -1);
    if (!this.#alarm.set) this.#alarm.setFor(this.#options.now() + REMEMBERED_MS);
    return false;
  }

  /**
   * The kernel log has reported a new incident. @returns what the trace has said of it, `published` when that is an incident already;
   * undefined when the trace has said nothing: it may still, and then `onTraced` is called
   */
  match(event: DeviceEvent, onTraced: (trace: DeviceEvent) => void): DeviceEvent | 'published' | undefined {
    const now = this.#options.now();
    const at = milliseconds(event);
    const { reported, traced } = this.#of(event);
    const known = traced.take(at, PAIR_MS, (one) => mayBeSame(one.event, event));
    if (known !== undefined) return known.published ? 'published' : known.event;
    reported.add({ at, event, onTraced });
    if (!this.#alarm.set) this.#alarm.setFor(now + REMEMBERED_MS);
    return undefined;
  }

  /** Publishes what waits, and forgets all. */
  close(): void {
    this.#alarm.clear();
    for (const { traced } of this.#byDevice.values()) for (const one of traced) this.#publish(one);
    this.#byDevice.clear();
  }

  #of({ device }: DeviceEvent): OfDevice {
    const pciBdf = device?.pciBdf ?? '';
    const known = this.#byDevice.get(pciBdf);
    if (known !== undefined) return known;
    const made = { reported: new PairingQueue<Reported>(), complete: undefined, traced: new PairingQueue<Traced>() };
    this.#byDevice.set(pciBdf, made);
    return made;
  }

  #publish(one: Traced): void {
    if (one.published) return;
    one.published = true;
    this.#options.publish(one.event);
  }

  #sweep(): void {
    const now = this.#options.now();
    for (const [pciBdf, { reported, complete, traced }] of this.#byDevice) {
      for (const one of traced) {
        if (one.readAt + WAIT_MS <= now) this.#publish(one);
        else this.#alarm.setFor(one.readAt + WAIT_MS);
      }
      for (const queue of [reported, complete, traced]) queue?.forgetBefore(now - REMEMBERED_MS);
      if (reported.empty && traced.empty && !complete?.length) this.#byDevice.delete(pciBdf);
      else this.#alarm.setFor(now + REMEMBERED_MS);
    }
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

function milliseconds({ monotonicNs }: DeviceEvent): number {
  return Number(monotonicNs) / 1e6;
}
