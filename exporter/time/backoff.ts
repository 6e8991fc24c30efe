export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Growing pauses between attempts, shortened at random by up to a half: a thousand nodes must not come back at once. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Counts a failure. @returns milliseconds to wait before the next attempt */
  failed(): number {
    const { firstMs, maxMs, random = Math.random } = this.#options;
    const pause = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures++, 30));
    return pause * (1 - random() / 2);
  }
}
