import type { RateLimitSettings } from './schema.js';

/** A bucket of tokens: full at first, one back each interval, one taken by each request. */
export class RateLimit {
  readonly #settings: RateLimitSettings;
  #tokens: number;
  #at: number;

  /** @param now monotonic, in milliseconds */
  constructor(settings: RateLimitSettings, now: number) {
    this.#settings = settings;
    this.#tokens = settings.burst;
    this.#at = now;
  }

  /** False: this request is one too many. */
  take(now: number): boolean {
    const { intervalMs, burst } = this.#settings;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#at) / intervalMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
