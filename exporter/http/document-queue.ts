import { setImmediate as afterOthers } from 'node:timers/promises';
import { FairTurns } from '../fair-turns.js';

export interface Reader {
  /** Readers of one peer share its turns: see networkOf(). */
  readonly peer: string;
  readonly isGone: () => boolean;
}

export interface MadeDocument {
  readonly body: Buffer;
  /** Content-Encoding. */
  readonly encoding?: 'gzip';
}

const NOTHING: MadeDocument = { body: Buffer.alloc(0) };

interface Job {
  readonly peer: string;
  readonly readers: Reader[];
  readonly document: Promise<MadeDocument>;
  readonly run: (isWanted: boolean) => Promise<void>;
}

/**
 * Makes one document at a time and lets the event loop run in between, so a probe waits for one document at most, however many readers
 * ask at once. Readers who ask for the same document while it is waiting or being made share it. Turns
 * are fair between peers, and a document that nobody waits for any more is not made.
 */
export class DocumentQueue {
  /** Waiting or under way, by what is asked for. */
  readonly #jobs = new Map<string, Job>();
  readonly #waiting = new Set<Job>();
  readonly #turns = new FairTurns();
  #working = false;

  /**
   * @param key names what is asked for
   * @returns an empty document when all its readers have gone
   * @throws what `make` throws
   */
  async make(key: string, reader: Reader, make: () => MadeDocument | Promise<MadeDocument>): Promise<MadeDocument> {
    const same = this.#jobs.get(key);
    if (same !== undefined) {
      same.readers.push(reader);
      return same.document;
    }
    let run: Job['run'] = async () => undefined;
    const document = new Promise<MadeDocument>((resolve, reject) => {
      run = async (isWanted) => {
        const made = (async () => (isWanted ? make() : NOTHING))();
        await made.then(resolve, reject).finally(() => this.#jobs.delete(key));
      };
    });
    const job: Job = { peer: reader.peer, readers: [reader], document, run };
    this.#jobs.set(key, job);
    this.#waiting.add(job);
    void this.#work();
    return document;
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    while (this.#waiting.size > 0) {
      await this.#dropUnwanted();
      const [next] = this.#turns.next([...this.#waiting]);
      if (next === undefined) break;
      this.#waiting.delete(next);
      this.#turns.take(next.peer);
      await next.run(true);
      await afterOthers();
    }
    this.#working = false;
  }

  async #dropUnwanted(): Promise<void> {
    for (const job of this.#waiting) {
      if (!job.readers.every(({ isGone }) => isGone())) continue;
      this.#waiting.delete(job);
      await job.run(false);
    }
  }
}
