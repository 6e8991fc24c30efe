import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import { Alarm } from '../../time/alarm.js';
import { PairingQueue } from './pairing-queue.js';

/** Two reports of one death differ by microseconds; their clocks, and a log without times that is polled, by more. */
const PAIR_MS = 2_000;
/** What only the trace has reported is an incident by itself after this time. */
const WAIT_MS = 2_000;
/** A report whose counterpart is read so late is still not counted twice. */
const REMEMBERED_MS = 10_000;

/** An incident that a source other than the trace has reported. */
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
    return [...this.#byDevice.values()].reduce((sum, of) => sum + [...of.reported].length + [...of.traced].length, 0);
  }

  /** Takes what the trace says. @returns whether it is about an incident that was reported before; `onTraced` of that is called */
  take(event: DeviceEvent): boolean {
    const at = milliseconds(event);
    const { reported, traced } = this.#of(event);
    const known = reported.take(at, PAIR_MS, (one) => mayBeSame(one.event, event));
    if (known !== undefined) {
      known.onTraced(event);
      return true;
    }
    const readAt = this.#options.now();
    traced.add({ at, readAt, event, published: false });
    this.#alarm.setFor(readAt + WAIT_MS);
    return false;
  }

  /**
   * Another source has reported a new incident. @returns what the trace has said of it, `published` when that is an incident already;
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
    const made = { reported: new PairingQueue<Reported>(), traced: new PairingQueue<Traced>() };
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
    for (const [pciBdf, { reported, traced }] of this.#byDevice) {
      for (const one of traced) {
        if (one.readAt + WAIT_MS <= now) this.#publish(one);
        else this.#alarm.setFor(one.readAt + WAIT_MS);
      }
      for (const queue of [reported, traced]) {
        queue.forgetBefore(now - REMEMBERED_MS);
        if (!queue.empty) this.#alarm.setFor(now + REMEMBERED_MS);
      }
      if (reported.empty && traced.empty) this.#byDevice.delete(pciBdf);
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
