/** Where the counts of a signal go, of log records or of data points; called on the JavaScript thread, must not throw. */
export interface DeliveryAccounting {
  /** What the collector took. */
  exported(count: number): void;
  /** What the collector refused, or did not take before the time-out or the end of the process. */
  failed(count: number): void;
}

/** Book-keeping of what is on its way to a collector: taken = exported + failed + under way, always. */
export class DeliveryBook {
  readonly #accounting: DeliveryAccounting;
  #underWay = 0;
  #sealed = false;

  constructor(accounting: DeliveryAccounting) {
    this.#accounting = accounting;
  }

  get underWay(): number {
    return this.#underWay;
  }

  take(count: number): void {
    this.#underWay += count;
  }

  /** Settles what was taken, once each. @returns false after {@link seal}, which has counted it */
  settle(exported: number, failed: number): boolean {
    if (this.#sealed) return false;
    this.#underWay -= exported + failed;
    if (exported > 0) this.#accounting.exported(exported);
    if (failed > 0) this.#accounting.failed(failed);
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
