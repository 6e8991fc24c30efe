export interface TokenBucketOptions {
  /** Tokens at first, and at most. */
  readonly burst: number;
  /** Milliseconds until a token that was taken is back. */
  readonly intervalMs: number;
}

/** Allows `burst` at once and one per interval in the long run. */
export class TokenBucket {
  readonly #options: TokenBucketOptions;
  #tokens: number;
  #at: number;

  /** @param now monotonic, in milliseconds, as in {@link take} */
  constructor(options: TokenBucketOptions, now: number) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#at = now;
  }

  /** @returns false when there is no token left: this one is too many */
  take(now: number): boolean {
    const { burst, intervalMs } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#at) / intervalMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
