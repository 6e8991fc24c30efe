import { DeliveryBook, type DeliveryAccounting } from '../../otlp/delivery-book.js';

/** Where the counts of the OTLP sink go; called on the JavaScript thread, must not throw. */
export interface OtlpAccounting extends DeliveryAccounting {
  /** Records not taken at our door: the queue was full, or the sink was closed. */
  dropped(records: number): void;
  /** Records under way, of at most `capacity`: called once at the start and then at every change. */
  queue(length: number, capacity: number): void;
}

/**
 * The book of the log records, with a bound. The queue of the SDK drops without a word, so it is never allowed to fill: what is under
 * way never exceeds the capacity they share.
 */
export class OtlpLedger {
  readonly #capacity: number;
  readonly #accounting: OtlpAccounting;
  readonly #book: DeliveryBook;

  constructor(capacity: number, accounting: OtlpAccounting) {
    this.#capacity = capacity;
    this.#accounting = accounting;
    this.#book = new DeliveryBook(accounting);
    this.#showQueue();
  }

  /** Takes one record, or counts it dropped when there is no room. */
  take(): boolean {
    if (this.#book.underWay >= this.#capacity) {
      this.refuse();
      return false;
    }
    this.#book.take(1);
    this.#showQueue();
    return true;
  }

  /** Counts a record dropped that is not taken. */
  refuse(): void {
    this.#accounting.dropped(1);
  }

  /** See {@link DeliveryBook.settle}. */
  settle(exported: number, failed: number): boolean {
    if (!this.#book.settle(exported, failed)) return false;
    this.#showQueue();
    return true;
  }

  /** See {@link DeliveryBook.seal}. */
  seal(): number {
    const lost = this.#book.seal();
    this.#showQueue();
    return lost;
  }

  #showQueue(): void {
    this.#accounting.queue(this.#book.underWay, this.#capacity);
  }
}
