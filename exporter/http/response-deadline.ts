import type { ServerResponse } from 'node:http';

/** Gives the client a deadline for reading each answer, even if it keeps reading a byte now and then. */
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

  /** For an endless answer whose sender watches the reader itself: no deadline, busy or idle. */
  lift(response: ServerResponse): void {
    clearTimeout(this.#timers.get(response));
    response.socket?.setTimeout(0);
  }
}
