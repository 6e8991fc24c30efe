import type { ClientRequest } from 'node:http';
import { EventStreamParser } from '../jobs/run/event-stream.js';
import { isOutOfMemory, vmErrorOf } from '../jobs/run/vm-error.js';
import { JOBS_PATH, KERNEL_EVENT } from '../names.js';
import { get } from '../node-http.js';
import { Backoff } from '../time/backoff.js';

export interface ReactingJobOptions {
  readonly socketPath: string;
  /** The job has heard that it ran out of GPU memory. */
  readonly onOutOfMemory: () => void;
}

/** The one made-up job that follows its own events on the jobs' socket, as a real job does. Comes back when the connection breaks. */
export class ReactingJob {
  readonly #options: ReactingJobOptions;
  readonly #backoff = new Backoff({ firstMs: 100, maxMs: 5_000 });
  readonly #parser = new EventStreamParser(({ name, data }) => {
    const error = name === KERNEL_EVENT.vmRebindError ? vmErrorOf(data) : undefined;
    if (error !== undefined && isOutOfMemory(error)) this.#options.onOutOfMemory();
  });
  #request: ClientRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: ReactingJobOptions) {
    this.#options = options;
  }

  start(): void {
    this.#parser.reset();
    const { lastEventId } = this.#parser;
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const request = get({ socketPath: this.#options.socketPath, path: JOBS_PATH.events, headers });
    this.#request = request;
    request.on('error', () => undefined);
    request.on('close', () => this.#comeBack());
    request.on('response', (response) => {
      if (response.statusCode === 200) this.#backoff.succeeded();
      response.on('error', () => undefined);
      response.setEncoding('utf8').on('data', (text: string) => {
        if (response.statusCode !== 200 || !this.#parser.push(text)) request.destroy();
      });
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#request?.destroy();
  }

  #comeBack(): void {
    if (!this.#stopped) this.#timer = setTimeout(() => this.start(), this.#backoff.failed()).unref();
  }
}
