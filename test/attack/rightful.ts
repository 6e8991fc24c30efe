import { request, type RequestOptions } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { ANSWER_MS } from './target.js';

export interface Report {
  readonly asked: number;
  readonly failures: readonly string[];
  /** Milliseconds of the slowest answer. */
  readonly worstMs: number;
  /** Requests that were made once more. */
  readonly again: number;
}

/** One request on a connection of its own. @throws Error of the connection, or when there is no answer in time */
export function ask(url: string, options: RequestOptions = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, timeout: ANSWER_MS, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (piece: string) => (body += piece));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer in ${ANSWER_MS} ms`)));
    sent.on('error', reject).end();
  });
}

/**
 * Those an exporter is there for: a scraper and two probes, each on a new connection, again and again until told to stop. Where
 * they share an address with the attackers, a burst of connections may cut one off before it has asked; it asks once more.
 */
export class Rightful {
  readonly #url: string;
  readonly #options: RequestOptions;
  readonly #wanted: number;
  readonly #failures: string[] = [];
  readonly #done: Promise<unknown>;
  #asked = 0;
  #again = 0;
  #worst = 0;
  #ended = false;

  /** @param wanted status that is the right answer */
  constructor(url: string, options: RequestOptions = {}, wanted = 200) {
    this.#url = url;
    this.#options = options;
    this.#wanted = wanted;
    this.#done = Promise.all(['/metrics', '/healthz', '/readyz'].map((path) => this.#goOn(path)));
  }

  /** Resolves when each has had at least `least` answers more. */
  async rounds(least: number): Promise<void> {
    const until = this.#asked + 3 * least;
    while (this.#asked < until && this.#failures.length < 10) await delay(20);
  }

  async end(): Promise<Report> {
    this.#ended = true;
    await this.#done;
    return { asked: this.#asked, failures: this.#failures, worstMs: Math.round(this.#worst), again: this.#again };
  }

  async #goOn(path: string): Promise<void> {
    while (!this.#ended) {
      const begin = performance.now();
      await this.#ask(`${this.#url}${path}`).then(
        ({ status }) => status !== this.#wanted && this.#failures.push(`${path}: ${status}`),
        (error: Error) => this.#failures.push(`${path}: ${error.message}`),
      );
      this.#worst = Math.max(this.#worst, performance.now() - begin);
      this.#asked++;
      await delay(100);
    }
  }

  #ask(url: string): Promise<{ status: number }> {
    return ask(url, this.#options).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET') throw error;
      this.#again++;
      return ask(url, this.#options);
    });
  }
}
