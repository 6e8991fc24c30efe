import type { ServerResponse } from 'node:http';

/** Gives every answer a time in which it has to be taken, also by a reader that takes a byte now and then. */
export class ResponseDeadline {
  readonly #timers = new WeakMap<ServerResponse, NodeJS.Timeout>();
  readonly #ms: number;

  constructor(ms: number) {
    this.#ms = ms;
  }

  start(response: ServerResponse): void {
    const timer = setTimeout(() => response.destroy(), this.#ms).unref();
    this.#timers.set(response, timer);
    response.once('close', () => clearTimeout(timer));
  }

  /** For an answer without an end, whose sender watches the reader itself: no limit in time, busy or idle. */
  lift(response: ServerResponse): void {
    clearTimeout(this.#timers.get(response));
    response.socket?.setTimeout(0);
  }
}
