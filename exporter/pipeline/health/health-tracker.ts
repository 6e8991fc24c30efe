import { deviceHealthChanged } from '../../events/definitions/device-health-changed.js';
import { eventOf, type DeviceEvent } from '../../events/device-event.js';
import {
  HEALTH_REASONS,
  type DeviceHealth,
  type HealthCause,
  type HealthReason,
  type HealthSignal,
} from '../../events/device-health.js';
import type { XeDevice } from '../../host/device.js';
import { MAX_DEVICES } from '../../host/device-table.js';
import { ATTRIBUTE, type DeviceHealthState, type SourceName } from '../../names.js';
import { Alarm } from '../../time/alarm.js';
import { BOUND, NO_GT, QUIET_MS, after, nextChange, reasonAt, seenAgain, type Condition } from './condition.js';

/** Sources that tell of what happens to a device itself; with one of them, its health is known. */
const TELLING: ReadonlySet<SourceName> = new Set(['kmsg', 'uevent']);

/** Devices remembered: those that are bound, and those that are lost or may come back. */
const MAX_TRACKED = 2 * MAX_DEVICES;

export interface HealthTrackerOptions {
  /** Takes each event, and after it the change of health that it brings; must not throw and must not call back. */
  readonly next: (event: DeviceEvent) => void;
  /** The health of a device is known for the first time, or has changed. */
  readonly published: (health: DeviceHealth) => void;
  /** The driver has let go of a device that is not lost: there is nothing to say of it any more. */
  readonly forgotten: (pciBdf: string) => void;
  /** What is told of an event that begins the trouble of a device. */
  readonly describe: (event: DeviceEvent) => HealthCause;
  /** The number of the next event of this process. */
  readonly nextSequence: () => number;
  /** Milliseconds of CLOCK_MONOTONIC, as the time of events. */
  readonly now: () => number;
}

interface Tracked {
  device: XeDevice;
  /** The driver is bound to it. */
  bound: boolean;
  condition: Condition;
  /** What was published last. */
  reason: HealthReason;
  sinceMs: number;
  /** What began the trouble; kept for a quiet time after it. */
  cause: HealthCause | undefined;
  /** Time of the last signal, and of the last change that was looked for. */
  at: number;
  /** When time alone changes it next. */
  due: number;
  source: SourceName;
  /** The last state that was logged is not `ok`, so that the next one has to be, too. */
  told: boolean;
  /** What sysfs said when the driver was bound. */
  inSurvivability: boolean;
}

/**
 * Says of every device whether it is fit for work, from incidents and from which devices the driver is bound to. Passes every event on;
 * one that says nothing about a device, such as any of the watch queue, costs one look at its definition.
 */
export class HealthTracker {
  readonly #options: HealthTrackerOptions;
  readonly #tracked = new Map<string, Tracked>();
  readonly #telling = new Set<SourceName>();
  readonly #alarm: Alarm;
  #blindSince = -Infinity;
  #closed = false;

  constructor(options: HealthTrackerOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.now, () => this.#lookAtAll(options.now()));
  }

  /** The health of every device that is bound or lost, in the order of their addresses. */
  get devices(): readonly DeviceHealth[] {
    return [...this.#tracked.values()]
      .filter(isShown)
      .map(healthOf)
      .sort((a, b) => (a.pciBdf < b.pciBdf ? -1 : 1));
  }

  readonly accept = (event: DeviceEvent): void => {
    this.#options.next(event);
    if (event.definition.health === undefined || event.phase === 'concluded') return;
    const signal = event.definition.health(event);
    if (signal !== undefined && event.device !== undefined && !this.#closed) this.#observe(event, event.device, signal);
  };

  /** A source can deliver events, or cannot any more. */
  sourceUp(source: SourceName, up: boolean): void {
    if (!TELLING.has(source) || this.#closed) return;
    if (up) this.#telling.add(source);
    else this.#telling.delete(source);
    const blind = this.#telling.size === 0;
    if (blind === this.#blindSince < Infinity) return;
    const now = this.#options.now();
    const isFirst = this.#blindSince === -Infinity;
    if (!isFirst) this.#lookAtAll(now);
    this.#blindSince = blind ? now : Infinity;
    // What the log says of the time before is exact.
    if (!blind && !isFirst) for (const one of this.#tracked.values()) one.condition = seenAgain(one.condition, now);
    this.#lookAtAll(now);
    if (isFirst) this.#announceAll();
  }

  /** Takes what happened before this exporter; nothing of it is passed on. {@link recalled} has to follow. */
  recall(event: DeviceEvent): void {
    const { device, definition } = event;
    const signal = definition.health?.(event);
    if (signal === undefined || device === undefined) return;
    const one = this.#tracked.get(device.pciBdf) ?? this.#track(device, -Infinity);
    if (one === undefined) return;
    const at = Number(event.monotonicNs) / 1e6;
    const calm = isCalm(one.reason) && (one.cause === undefined || at - one.condition.lastFaultAt >= QUIET_MS);
    if (calm && signal !== 'reset_completed') one.cause = { ...this.#options.describe(event), id: null };
    one.condition = after(one.condition, signal, gtOf(event), at);
    const reason = reasonAt(one.condition, at, Infinity);
    if (reason !== one.reason) one.sinceMs = Number(event.realtimeNs) / 1e6;
    one.reason = reason;
    one.source = event.source;
    one.at = at;
  }

  /** The driver had started on a device: what came before is over. */
  recallStart(device: XeDevice): void {
    const one = this.#tracked.get(device.pciBdf);
    if (one === undefined) return;
    one.condition = BOUND;
    one.cause = undefined;
    one.reason = 'unseen';
  }

  /** All of the past is told. What the driver is bound to has started after all. */
  recalled(): void {
    for (const one of this.#tracked.values()) {
      if (one.bound && one.condition.standing === 'not_started')
        one.condition = { ...one.condition, standing: undefined };
      if (one.inSurvivability) one.condition = { ...one.condition, standing: 'survivability' };
    }
    if (this.#blindSince < Infinity) return;
    this.#lookAtAll(this.#options.now());
    this.#announceAll();
  }

  /** The driver was bound to a device: whatever was wrong with it is over. */
  deviceAdded(device: XeDevice, inSurvivability: boolean): void {
    const now = this.#options.now();
    const known = this.#tracked.get(device.pciBdf);
    const one = known ?? this.#track(device, now);
    if (one === undefined) return;
    one.device = device;
    one.bound = true;
    one.inSurvivability = inSurvivability;
    one.at = now;
    one.condition = inSurvivability ? { ...BOUND, standing: 'survivability' } : BOUND;
    if (known === undefined) one.reason = reasonAt(BOUND, now, this.#blindSince);
    this.#options.published(healthOf(one));
    this.#look(one, now);
    one.cause = undefined;
  }

  /** The driver has let go of a device. One that is lost stays: that is what it is lost from. */
  deviceRemoved({ pciBdf }: XeDevice): void {
    const one = this.#tracked.get(pciBdf);
    if (one === undefined) return;
    one.bound = false;
    if (isShown(one)) return;
    one.condition = BOUND;
    this.#options.forgotten(pciBdf);
  }

  /** Nothing changes any more. A second close is the first. */
  close(): void {
    this.#closed = true;
    this.#alarm.clear();
  }

  #observe(event: DeviceEvent, device: XeDevice, signal: HealthSignal): void {
    const one = this.#tracked.get(device.pciBdf) ?? this.#track(device, -Infinity);
    if (one === undefined) return;
    // A line that was read late does not turn time back.
    const at = Math.max(one.at, Number(event.monotonicNs) / 1e6);
    const condition = after(one.condition, signal, gtOf(event), at);
    if (condition === one.condition && at < one.due) return;
    this.#look(one, at);
    const calm = isCalm(one.reason) && (one.cause === undefined || at - one.condition.lastFaultAt >= QUIET_MS);
    if (calm && signal !== 'reset_completed') one.cause = this.#options.describe(event);
    one.source = event.source;
    one.condition = condition;
    this.#settle(one, at);
  }

  #track(device: XeDevice, at: number): Tracked | undefined {
    if (this.#tracked.size >= MAX_TRACKED) return undefined;
    const sinceMs = Date.now();
    const one: Tracked = {
      device,
      bound: false,
      condition: BOUND,
      reason: 'ok',
      sinceMs,
      cause: undefined,
      at,
      due: -Infinity,
      source: 'kmsg',
      told: false,
      inSurvivability: false,
    };
    this.#tracked.set(device.pciBdf, one);
    return one;
  }

  #lookAtAll(now: number): void {
    if (this.#closed) return;
    for (const one of this.#tracked.values()) this.#look(one, now);
  }

  /** Says what the past has left behind. */
  #announceAll(): void {
    for (const one of this.#tracked.values()) {
      if (!isShown(one)) continue;
      this.#options.published(healthOf(one));
      if (isCalm(one.reason) || one.told) continue;
      one.told = true;
      this.#options.next(this.#changed(one, 'unknown', one.at));
    }
  }

  /** Lets pass what time alone brings, one change after the other, up to `at`. */
  #look(one: Tracked, at: number): void {
    for (let due = dueOf(one); due <= at; due = dueOf(one)) this.#settle(one, due);
    this.#settle(one, Math.max(one.at, at));
  }

  /** Publishes what is to be said now, if that is something else than before. */
  #settle(one: Tracked, at: number): void {
    one.at = at;
    one.due = dueOf(one);
    if (!isShown(one)) return;
    if (one.due < Infinity) this.#alarm.setFor(one.due);
    const reason = reasonAt(one.condition, at, this.#blindSince);
    if (reason === one.reason) return;
    const before = HEALTH_REASONS[one.reason].state;
    one.reason = reason;
    const { state } = HEALTH_REASONS[reason];
    const agoMs = Math.max(0, this.#options.now() - at);
    if (state !== before) one.sinceMs = Date.now() - agoMs;
    this.#options.published(healthOf(one));
    // That a device is fit, or that nobody can tell, is news only after something else.
    if (state === before || (isCalm(reason) && !one.told)) return;
    one.told = state !== 'ok';
    this.#options.next(this.#changed(one, before, at));
  }

  #changed(one: Tracked, before: DeviceHealthState, at: number): DeviceEvent {
    return eventOf({
      definition: deviceHealthChanged,
      source: one.source,
      sequence: this.#options.nextSequence(),
      realtimeNs: BigInt(Math.round(one.sinceMs)) * 1_000_000n,
      monotonicNs: BigInt(Math.round(at * 1e6)),
      device: one.device,
      details: {
        [ATTRIBUTE.deviceHealth]: HEALTH_REASONS[one.reason].state,
        [ATTRIBUTE.deviceHealthPrevious]: before,
        [ATTRIBUTE.deviceHealthReason]: one.reason,
      },
      causeId: one.cause?.id ?? undefined,
    });
  }
}

/** A device without a driver is shown only while it is lost; otherwise it may belong to another driver by now. */
function isShown({ bound, condition: { standing } }: Tracked): boolean {
  return bound || standing === 'off_bus' || standing === 'not_started';
}

function dueOf(one: Tracked): number {
  return isShown(one) ? nextChange(one.condition, one.at) : Infinity;
}

function isCalm(reason: HealthReason): boolean {
  return reason === 'ok' || reason === 'unseen';
}

function healthOf({ device, reason, sinceMs, cause }: Tracked): DeviceHealth {
  const { state, advice } = HEALTH_REASONS[reason];
  const { pciBdf } = device;
  return { pciBdf, state, reason, sinceMs, cause: isCalm(reason) ? undefined : cause, advice };
}

function gtOf({ details }: DeviceEvent): number {
  const gt = details?.[ATTRIBUTE.gtId];
  return typeof gt === 'number' ? gt : NO_GT;
}
