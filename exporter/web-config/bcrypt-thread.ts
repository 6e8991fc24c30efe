import { Worker } from 'node:worker_threads';
import type { BcryptQuestion } from './bcrypt-worker.js';

/** Passwords are mostly checked after a start or a reload, so the thread ends when it has been idle this long. */
const IDLE_MS = 30_000;

/**
 * A thread that compares one password at a time, so that bcrypt, which is slow by design, never holds up the event loop. Starts
 * when asked, ends when idle, and does not keep the process alive.
 */
export class BcryptThread {
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #settle: ((outcome: boolean | Error) => void) | undefined;

  /** One call at a time. @throws Error when the thread ends before it has one */
  async compare(question: BcryptQuestion): Promise<boolean> {
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    this.#worker.postMessage(question);
    const outcome = await new Promise<boolean | Error>((resolve) => (this.#settle = resolve));
    this.#settle = undefined;
    this.#idle = setTimeout(() => this.close(), IDLE_MS).unref();
    if (outcome instanceof Error) throw outcome;
    return outcome;
  }

  close(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    this.#settle?.(new Error('the thread that checks passwords was stopped'));
  }

  #start(): Worker {
    const worker = new Worker(new URL('./bcrypt-worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
    });
    worker.unref();
    const ended = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#settle?.(error);
    };
    worker.on('message', (matches: boolean) => this.#settle?.(matches));
    worker.on('error', ended);
    worker.on('exit', () => ended(new Error('the thread that checks passwords ended')));
    return worker;
  }
}
