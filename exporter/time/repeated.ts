/** Runs `work` again and again, one run at a time, `intervalMs` after the end of the last. `work` must not reject. */
export class Repeated {
  readonly #work: () => Promise<void>;
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(work: () => Promise<void>, intervalMs: number) {
    this.#work = work;
    this.#intervalMs = intervalMs;
  }

  /** Resolves after the first run. */
  start(): Promise<void> {
    this.#running = this.#work().then(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => void this.start(), this.#intervalMs);
    });
    return this.#running;
  }

  /** Resolves when no run is under way and none will follow. */
  stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    return this.#running;
  }
}
