export interface TokenBucketOptions {
  /** Tokens at first, and at most. */
  readonly burst: number;
  /** Milliseconds until a token that was taken is back. */
  readonly intervalMs: number;
}

/** Allows `burst` at once and one per interval in the long run. Times are milliseconds of a clock that never goes back. */
export class TokenBucket {
  readonly #options: TokenBucketOptions;
  /** Tokens that were not back yet when the last one was taken, that one included. */
  #missing = 0;
  #takenAt = -Infinity;

  constructor(options: TokenBucketOptions) {
    this.#options = options;
  }

  /** When there is a token again; in the past if there is one now. */
  get nextAt(): number {
    const { burst, intervalMs } = this.#options;
    return this.#takenAt + (this.#missing - burst + 1) * intervalMs;
  }

  /** When all tokens are back. */
  get fullAt(): number {
    return this.#takenAt + this.#missing * this.#options.intervalMs;
  }

  /** @returns false when there is no token left: this one is too many */
  take(now: number): boolean {
    if (this.nextAt > now) return false;
    this.#missing = Math.max(0, this.#missing - (now - this.#takenAt) / this.#options.intervalMs) + 1;
    this.#takenAt = now;
    return true;
  }
}
