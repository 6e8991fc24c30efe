/** Where the counts of the OTLP sink go; called on the JavaScript thread, must not throw. */
export interface OtlpAccounting {
  /** Records the collector took. */
  exported(records: number): void;
  /** Records the collector refused, or that it did not take before the time-out or the end of the process. */
  failed(records: number): void;
  /** Records not taken at our door: the queue was full, or the sink was closed. */
  dropped(records: number): void;
  /** Records under way, of at most `capacity`: called once at the start and then at every change. */
  queue(length: number, capacity: number): void;
}

/**
 * Book-keeping of the records under way: taken = exported + failed + under way, always. The queue of the SDK drops without a word, so
 * it is never allowed to fill: what is under way never exceeds the capacity they share.
 */
export class OtlpLedger {
  readonly #capacity: number;
  readonly #accounting: OtlpAccounting;
  #underWay = 0;
  #sealed = false;

  constructor(capacity: number, accounting: OtlpAccounting) {
    this.#capacity = capacity;
    this.#accounting = accounting;
    accounting.queue(0, capacity);
  }

  /** Takes one record, or counts it dropped when there is no room. */
  take(): boolean {
    if (this.#underWay >= this.#capacity) {
      this.refuse();
      return false;
    }
    this.#accounting.queue((this.#underWay += 1), this.#capacity);
    return true;
  }

  /** Counts a record dropped that is not taken. */
  refuse(): void {
    this.#accounting.dropped(1);
  }

  /** Settles taken records, once each. @returns false after {@link seal}, which has counted them */
  settle(exported: number, failed: number): boolean {
    if (this.#sealed) return false;
    this.#underWay -= exported + failed;
    if (exported > 0) this.#accounting.exported(exported);
    if (failed > 0) this.#accounting.failed(failed);
    this.#accounting.queue(this.#underWay, this.#capacity);
    return true;
  }

  /** Counts everything still under way as failed and closes the book. @returns how many that were. */
  seal(): number {
    const lost = this.#underWay;
    this.settle(0, lost);
    this.#sealed = true;
    return lost;
  }
}
