import type { DropReason, SinkName } from '../names.js';
import type { Sink } from './sink.js';

export interface FanOutAccounting {
  dropped(sink: SinkName, reason: DropReason): void;
}

/**
 * Hands every item to every sink, in order, at once. A sink that refuses or throws loses that item and affects no other
 * sink; for each sink published = delivered + dropped.
 */
export class FanOut<T> {
  readonly #sinks: readonly Sink<T>[];
  readonly #accounting: FanOutAccounting;
  #closed: Promise<void> | undefined;

  constructor(sinks: readonly Sink<T>[], accounting: FanOutAccounting) {
    this.#sinks = sinks;
    this.#accounting = accounting;
  }

  /** False when publishing would reach nobody, so that there is no need to make the item. */
  get hasSinks(): boolean {
    return this.#sinks.length > 0;
  }

  /** @returns whether at least one sink took the item */
  publish(item: T): boolean {
    let taken = false;
    for (const sink of this.#sinks) {
      const refused = this.#closed ? 'closed' : offer(sink, item);
      if (refused === undefined) taken = true;
      else this.#accounting.dropped(sink.name, refused);
    }
    return taken;
  }

  /** Counts an item that no sink is offered. */
  withhold(reason: DropReason): void {
    for (const sink of this.#sinks) this.#accounting.dropped(sink.name, reason);
  }

  /** Closes all sinks in parallel, each within the deadline. A second close is the first. */
  close(deadlineMs: number): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#sinks.map(async (sink) => sink.close(deadlineMs))).then(() => undefined);
    return this.#closed;
  }
}

function offer<T>(sink: Sink<T>, item: T): DropReason | undefined {
  try {
    return sink.accept(item);
  } catch {
    return 'error';
  }
}
