/** Any number of timers that are cleared together. */
export class Timers {
  readonly #pending = new Set<NodeJS.Timeout>();

  /** Does `work` after so many milliseconds, unless it is cleared before. */
  after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#pending.delete(timer);
      work();
    }, ms);
    this.#pending.add(timer);
  }

  clear(): void {
    for (const timer of this.#pending) clearTimeout(timer);
    this.#pending.clear();
  }
}
