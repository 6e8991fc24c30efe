/** Reports that were read within so many milliseconds are remembered together: what is remembered stays small in any storm. */
const GRAIN_MS = 10;

/** Forgotten runs are cut off when there are so many of them. */
const CUT_AT = 512;

/**
 * Reports of one kind that wait for their counterpart, as times and numbers, the oldest first. At most one run for each
 * 10 ms of the window, so it is bounded by the window and never turns a report away.
 */
export class ReportLedger {
  readonly #windowMs: number;
  readonly #times: number[] = [];
  readonly #numbers: number[] = [];
  /** Runs before this one are used up or forgotten. */
  #first = 0;
  /** Reports are numbered from 0. */
  #added = 0;
  #gone = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  get empty(): boolean {
    return this.#first === this.#times.length;
  }

  /** @param at when it happened, milliseconds; one older than the newest counts as that one. @returns its number */
  add(at: number): number {
    const last = this.#times.length - 1;
    if (last >= this.#first && at - this.#times[last]! < GRAIN_MS) {
      this.#numbers[last]!++;
    } else {
      this.#times.push(at);
      this.#numbers.push(1);
      this.forget(at);
    }
    return this.#added++;
  }

  /** Takes the oldest report that happened within the window around `at`. @returns its number; undefined when there is none */
  take(at: number): number | undefined {
    if (this.empty) return undefined;
    this.forget(at);
    if (this.empty || this.#times[this.#first]! > at + this.#windowMs) return undefined;
    if (--this.#numbers[this.#first]! === 0) this.#first++;
    return this.#gone++;
  }

  /** Forgets what is too old to be the counterpart of anything that happens at `at`. */
  forget(at: number): void {
    while (!this.empty && this.#times[this.#first]! + GRAIN_MS < at - this.#windowMs) {
      this.#gone += this.#numbers[this.#first]!;
      this.#first++;
    }
    if (this.#first < CUT_AT && !this.empty) return;
    this.#times.splice(0, this.#first);
    this.#numbers.splice(0, this.#first);
    this.#first = 0;
  }
}
