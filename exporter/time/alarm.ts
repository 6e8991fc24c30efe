/** A wait is cut into pieces of so many milliseconds where lateness matters, and so much lateness is nothing. */
const STEP_MS = 200;
const PUNCTUAL_MS = 50;

/**
 * One timer for many deadlines: rings at the earliest that was set. Whoever is rung sets it anew for what is left.
 *
 * A deadline that gives other threads time to say something must not pass while none of this process runs, on a machine that is stalled or
 * overloaded: `onLate` is told how long that was, and moves such deadlines.
 */
export class Alarm {
  readonly #now: () => number;
  readonly #ring: () => void;
  readonly #onLate: ((ms: number) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #at = Infinity;
  /** When the timer that is set should run. */
  #expected = 0;

  /** @param now milliseconds of a clock that never goes back, the one of the deadlines */
  constructor(now: () => number, ring: () => void, onLate?: (ms: number) => void) {
    this.#now = now;
    this.#ring = ring;
    this.#onLate = onLate;
  }

  /** True while a deadline is set: what is due later need not be set yet. */
  get set(): boolean {
    return this.#timer !== undefined;
  }

  /** Rings at `at`, or at an earlier deadline that is set. Keeps no process alive. */
  setFor(at: number): void {
    if (at >= this.#at) return;
    clearTimeout(this.#timer);
    this.#at = at;
    this.#sleep();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#at = Infinity;
  }

  #sleep(): void {
    const now = this.#now();
    const ms = Math.min(Math.max(1, Math.ceil(this.#at - now)), this.#onLate === undefined ? Infinity : STEP_MS);
    this.#expected = now + ms;
    this.#timer = setTimeout(() => this.#woken(), ms).unref();
  }

  #woken(): void {
    const late = this.#now() - this.#expected;
    if (late > PUNCTUAL_MS) this.#onLate?.(late);
    if (this.#now() < this.#at && this.#onLate !== undefined) return this.#sleep();
    this.clear();
    this.#ring();
  }
}
