import { Alarm } from '../../time/alarm.js';
import type { XeClient } from '../../clients/client.js';
import type { DeviceEvent } from '../../events/device-event.js';
import type { XeDevice } from '../../host/device.js';
import type { MemorySnapshot } from '../../host/memory.js';

/** How long a log event waits for the snapshot of its memory. */
const WAIT_MS = 500;

/** Events of one device that can wait, and snapshots begun for incidents whose victim is still open. */
const MAX_WAITING = 256;
const MAX_BEGUN = 4096;

/** Reads who holds the memory of a device; undefined when it cannot be read. The client is the victim, where it is known. */
export type TakeSnapshot = (device: XeDevice, client: XeClient | undefined) => Promise<MemorySnapshot | undefined>;

export interface MemoryEnrichmentOptions {
  /** Without it everything passes at once. Called in the turn in which the event was read: the victim is about to go. */
  readonly snapshot?: TakeSnapshot | undefined;
  /** Takes each event, in the order of its device; must not throw and must not call back. */
  readonly next: (event: DeviceEvent) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly waitMs?: number;
  readonly maxWaiting?: number;
}

/** A snapshot that was begun. */
interface Reading {
  readonly deadline: number;
  done: boolean;
  memory: MemorySnapshot | undefined;
}

interface Waiting {
  readonly event: DeviceEvent;
  readonly reading: Reading | undefined;
}

/**
 * Adds to the log event of a rebind OOM who held the memory. Such an event waits for its snapshot, and later events of its
 * device wait behind it: an outcome must not overtake its error. Where too many wait, all of the device pass without memory.
 */
export class MemoryEnrichment {
  readonly #options: MemoryEnrichmentOptions;
  readonly #waitMs: number;
  readonly #maxWaiting: number;
  readonly #alarm: Alarm;
  /** By PCI address; a device without waiting events has none. */
  readonly #lines = new Map<string, Waiting[]>();
  /** By sequence of the incident. */
  readonly #begun = new Map<number, Reading>();
  #closed = false;

  constructor(options: MemoryEnrichmentOptions) {
    this.#options = options;
    this.#waitMs = options.waitMs ?? WAIT_MS;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
    this.#alarm = new Alarm(options.now, () => this.#releaseAll());
  }

  /** Events that wait, and snapshots whose incident is still open. */
  get waiting(): number {
    let waiting = this.#begun.size;
    for (const line of this.#lines.values()) waiting += line.length;
    return waiting;
  }

  /** Passes a log event on with its snapshot. The counted part of an incident only begins the snapshot of the other. */
  readonly accept = (event: DeviceEvent): void => {
    if (event.phase === 'opened') this.#begin(event);
    else this.#pass(event);
  };

  #begin(event: DeviceEvent): void {
    const reading = this.#begun.size < MAX_BEGUN ? this.#read(event) : undefined;
    if (reading) this.#begun.set(event.sequence, reading);
  }

  /** After its snapshot, and after the events of its device that came before. */
  #pass(event: DeviceEvent): void {
    if (this.#options.snapshot === undefined) return this.#options.next(event);
    const reading = this.#begun.get(event.sequence) ?? this.#read(event);
    this.#begun.delete(event.sequence);
    const pciBdf = deviceOf(event)?.pciBdf;
    const line = pciBdf === undefined ? undefined : this.#lines.get(pciBdf);
    if (pciBdf === undefined || (line === undefined && (reading?.done ?? true)))
      return this.#handOn({ event, reading });
    if (line === undefined) this.#lines.set(pciBdf, [{ event, reading }]);
    else line.push({ event, reading });
    if (line !== undefined && line.length > this.#maxWaiting) this.#release(pciBdf, line, Infinity);
    else if (reading) this.#alarm.setFor(reading.deadline);
  }

  /** Passes everything on that waits; from then on nothing waits. */
  close(): void {
    this.#closed = true;
    this.#alarm.clear();
    this.#begun.clear();
    for (const [pciBdf, line] of this.#lines) this.#release(pciBdf, line, Infinity);
  }

  #read(event: DeviceEvent): Reading | undefined {
    const { snapshot, now } = this.#options;
    const device = deviceOf(event);
    const wanted = event.definition.wantsMemory(event);
    if (snapshot === undefined || device === undefined || !wanted || this.#closed) return undefined;
    const reading: Reading = { deadline: now() + this.#waitMs, done: false, memory: undefined };
    const settle = (memory: MemorySnapshot | undefined): void => {
      Object.assign(reading, { done: true, memory });
      this.#releaseAll();
    };
    snapshot(device, event.client).then(settle, () => settle(undefined));
    return reading;
  }

  #releaseAll(): void {
    for (const [pciBdf, line] of this.#lines) this.#release(pciBdf, line, this.#options.now());
  }

  /** Passes on from the front until one has to wait longer. */
  #release(pciBdf: string, line: Waiting[], now: number): void {
    const open = line.findIndex(({ reading }) => reading !== undefined && !reading.done && reading.deadline > now);
    const ready = line.splice(0, open === -1 ? line.length : open);
    const [next] = line;
    if (next?.reading) this.#alarm.setFor(next.reading.deadline);
    else this.#lines.delete(pciBdf);
    for (const waiting of ready) this.#handOn(waiting);
  }

  #handOn({ event, reading }: Waiting): void {
    const memory = reading?.memory;
    this.#options.next(memory === undefined ? event : { ...event, memory });
  }
}

function deviceOf({ device, client }: DeviceEvent): XeDevice | undefined {
  return device ?? client?.device;
}
