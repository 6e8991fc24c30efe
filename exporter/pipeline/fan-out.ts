import type { DeviceEvent } from '../events/device-event.js';
import type { Sink } from '../sinks/sink.js';
import type { DropReason, SinkName } from '../names.js';

export interface BusAccounting {
  dropped(sink: SinkName, reason: DropReason): void;
}

/**
 * Hands every event to every sink, in order, at once. A sink that refuses or throws costs itself that event and nobody else;
 * for each sink published = delivered + dropped. JavaScript thread only.
 */
export class Bus {
  readonly #sinks: readonly Sink[];
  readonly #accounting: BusAccounting;
  #closed: Promise<void> | undefined;

  constructor(sinks: readonly Sink[], accounting: BusAccounting) {
    this.#sinks = sinks;
    this.#accounting = accounting;
  }

  publish(event: DeviceEvent): void {
    for (const sink of this.#sinks) {
      const refused = this.#closed ? 'closed' : offer(sink, event);
      if (refused !== undefined) this.#accounting.dropped(sink.name, refused);
    }
  }

  /** Closes all sinks side by side, each within the deadline. A second close is the first. */
  close(deadlineMs: number): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#sinks.map(async (sink) => sink.close(deadlineMs))).then(() => undefined);
    return this.#closed;
  }
}

function offer(sink: Sink, event: DeviceEvent): DropReason | undefined {
  try {
    return sink.accept(event);
  } catch {
    return 'error';
  }
}
