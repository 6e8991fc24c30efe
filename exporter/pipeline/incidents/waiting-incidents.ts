import type { DeviceEvent } from '../../events/device-event.js';
import { isTraced, withTrace, type Victims } from './victims.js';

/** An incident that the device's counters have, and that waits for what else is to be known of it. */
export interface Waiting {
  event: DeviceEvent;
  deadline: number;
  /** Those of its kind, by their number in it, the first to end first. Its victim is published when it is not among them. */
  readonly among: Map<number, Waiting>;
  readonly number: number;
}

export interface WaitingIncidentsOptions {
  readonly next: (event: DeviceEvent) => void;
  readonly victims: Victims;
  readonly max: number;
}

/** The two halves of each incident that waits: `opened` at once, `concluded` when its victim is known or nothing more will be. */
export class WaitingIncidents {
  readonly #options: WaitingIncidentsOptions;
  /** Those whose process the trace has named, and whose client nobody has found yet. */
  readonly #named = new Set<Waiting>();
  #length = 0;

  constructor(options: WaitingIncidentsOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#length;
  }

  /** Publishes the first half; when too many wait, the whole, and then nothing waits. */
  open(waiting: Waiting): Waiting | undefined {
    const { event, among, number } = waiting;
    if (this.#length >= this.#options.max) return void this.#options.next(event);
    this.#length++;
    among.set(number, waiting);
    if (isTraced(event)) this.#named.add(waiting);
    this.#options.next({ ...event, phase: 'opened' });
    return waiting;
  }

  /** A fuller report has come. */
  complete(waiting: Waiting, { client, device, vmId, details }: DeviceEvent): void {
    const { event } = waiting;
    this.#end(waiting, {
      ...event,
      client: client ?? event.client,
      device: device ?? event.device,
      vmId: vmId === 0 ? event.vmId : vmId,
      details: { ...event.details, ...details },
    });
  }

  /** The trace says whose it is; its client may not be known yet. */
  name(waiting: Waiting, trace: DeviceEvent): void {
    if (!waiting.among.has(waiting.number)) return;
    waiting.event = withTrace(waiting.event, trace);
    if (!this.#endNamed(waiting) && isTraced(waiting.event)) this.#named.add(waiting);
  }

  /** Asks again for the clients that the trace has named. */
  clientAdded(): void {
    for (const waiting of this.#named) this.#endNamed(waiting);
  }

  /** Nothing more will be known. */
  conclude(waiting: Waiting): void {
    this.#end(waiting, this.#options.victims.concluded(waiting.event));
  }

  #endNamed(waiting: Waiting): boolean {
    const named = this.#options.victims.named(waiting.event);
    if (named !== undefined) this.#end(waiting, named);
    return named !== undefined;
  }

  #end(waiting: Waiting, event: DeviceEvent): void {
    if (!waiting.among.delete(waiting.number)) return;
    this.#length--;
    this.#named.delete(waiting);
    this.#options.next({ ...event, phase: 'concluded' });
  }
}
