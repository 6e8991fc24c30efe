/** One timer for many deadlines: rings at the earliest that was set. Whoever is rung sets it anew for what is left. */
export class Alarm {
  readonly #now: () => number;
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #at = Infinity;

  /** @param now milliseconds of a clock that never goes back, the one of the deadlines */
  constructor(now: () => number, ring: () => void) {
    this.#now = now;
    this.#ring = ring;
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
    this.#timer = setTimeout(() => this.#due(), Math.max(1, Math.ceil(at - this.#now()))).unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#at = Infinity;
  }

  #due(): void {
    this.clear();
    this.#ring();
  }
}
