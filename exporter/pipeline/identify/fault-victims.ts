import type { XeClient } from '../../clients/client.js';
import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import { Alarm } from '../../time/alarm.js';
import { ownerDetails } from '../decode/traced-owner.js';
import { objectsOf, type TracedOwners } from './traced-owners.js';
import { withTracedClient } from './traced-clients.js';

/**
 * How long a fault waits, in milliseconds: kernel log and trace are read by two threads, and what the trace said before the fault has to
 * have been read before anybody is named.
 */
const WAIT_MS = 500;
const MAX_WAITING = 4_096;

interface Waiting {
  readonly event: DeviceEvent;
  due: number;
}

export interface FaultVictimsOptions {
  readonly owners: TracedOwners;
  /** The client of the process that the trace has named. */
  readonly find: (event: DeviceEvent) => XeClient | undefined;
  /** Whether the trace runs: without it there is nothing to wait for. */
  readonly traced: () => boolean;
  readonly next: (event: DeviceEvent) => void;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly now: () => number;
}

/**
 * Whose job a fault hit that the kernel log names by a number only, the GuC id of an exec queue or an address space. Like an incident that
 * waits for its victim, the fault moves the counters of its device at once and those of its client when that is known.
 */
export class FaultVictims {
  readonly #options: FaultVictimsOptions;
  readonly #alarm: Alarm;
  #waiting: Waiting[] = [];

  constructor(options: FaultVictimsOptions) {
    this.#options = options;
    this.#alarm = new Alarm(
      options.now,
      () => this.#sweep(),
      (ms) => this.#postpone(ms),
    );
  }

  readonly accept = (event: DeviceEvent): void => {
    const { next, now } = this.#options;
    if (!this.#mayBeNamed(event)) return next(event);
    if (this.#waiting.length >= MAX_WAITING) return next(event);
    next({ ...event, phase: 'opened' });
    const due = now() + WAIT_MS;
    this.#waiting.push({ event, due });
    this.#alarm.setFor(due);
  };

  /** Names who can be named now, and waits no more. */
  close(): void {
    this.#alarm.clear();
    for (const { event } of this.#waiting.splice(0)) this.#conclude(event);
  }

  #mayBeNamed(event: DeviceEvent): boolean {
    const { definition, client, phase } = event;
    if (definition.fault === undefined || client !== undefined || phase !== 'whole') return false;
    return objectsOf(event).length > 0 && this.#options.traced();
  }

  #sweep(): void {
    const now = this.#options.now();
    while (this.#waiting[0] !== undefined && this.#waiting[0].due <= now) this.#conclude(this.#waiting.shift()!.event);
    if (this.#waiting[0] !== undefined) this.#alarm.setFor(this.#waiting[0].due);
  }

  /** Nothing was read meanwhile. */
  #postpone(ms: number): void {
    for (const waiting of this.#waiting) waiting.due += ms;
  }

  #conclude(event: DeviceEvent): void {
    this.#options.next({ ...this.#named(event), phase: 'concluded' });
  }

  #named(event: DeviceEvent): DeviceEvent {
    const owner = this.#options.owners.ownerOf(event);
    const pid = event.details?.[ATTRIBUTE.pid];
    // What the line itself says of its process comes first.
    if (owner === undefined || (pid !== undefined && pid !== owner.pid)) return event;
    const named = { ...event, details: { ...event.details, ...ownerDetails(owner) } };
    const client = this.#options.find(named);
    return client === undefined ? named : withTracedClient(named, client);
  }
}
