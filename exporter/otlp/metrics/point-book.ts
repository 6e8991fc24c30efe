/** Where the counts of pushed data points go; called on the JavaScript thread, must not throw. */
export interface PointAccounting {
  /** Data points the collector took. */
  exported(points: number): void;
  /** Data points the collector refused, or that it did not take before the time-out or the end of the process. */
  failed(points: number): void;
}

/** Book-keeping of the data points under way: taken = exported + failed + under way, always. */
export class PointBook {
  readonly #accounting: PointAccounting;
  #underWay = 0;
  #sealed = false;

  constructor(accounting: PointAccounting) {
    this.#accounting = accounting;
  }

  take(points: number): void {
    this.#underWay += points;
  }

  /** Settles taken points, once each. @returns false after {@link seal}, which has counted them */
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
