export interface PaceLimits {
  /** So many at once after a quiet time. */
  readonly burst: number;
  /** And then one in so many milliseconds. */
  readonly intervalMs: number;
}

/** A token bucket, kept as the time at which it is full again. */
export class Pace {
  readonly #limits: PaceLimits;
  #fullAt = -Infinity;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
  }

  /** From when on the next one may pass. */
  get nextAt(): number {
    const { burst, intervalMs } = this.#limits;
    return this.#fullAt - (burst - 1) * intervalMs;
  }

  /** One passes. */
  take(now: number): void {
    this.#fullAt = Math.max(now, this.#fullAt) + this.#limits.intervalMs;
  }
}
