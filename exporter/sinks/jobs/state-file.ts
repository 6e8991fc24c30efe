import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { codedError, type CodedError } from '../../errors.js';

/** How long changes are gathered before they are written. */
const GATHER_MS = 1000;
/** Far above what is ever written. */
const MOST_BYTES = 32 * 1024 * 1024;

export interface StateFileOptions {
  readonly path: string;
  readonly content: () => string;
  /** Told once for each run of failures. */
  readonly failed: (error: CodedError) => void;
}

/** One small file that is written whole, now and then, for uid and eyes of the exporter only. */
export class StateFile {
  readonly #options: StateFileOptions;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isFailing = false;

  constructor(options: StateFileOptions) {
    this.#options = options;
  }

  /** Also tries whether it can be written. @returns '' when there is none yet */
  open(): string {
    const { path } = this.#options;
    try {
      writeFileSync(`${path}~`, '', { mode: 0o600 });
      rmSync(`${path}~`);
      const status = statSync(path, { throwIfNoEntry: false });
      if (status === undefined) return '';
      if (!status.isFile() || status.size > MOST_BYTES) throw Object.assign(new Error(), { code: 'EFBIG' });
      return readFileSync(path, 'utf8');
    } catch (error) {
      this.#fail(error as NodeJS.ErrnoException);
      return '';
    }
  }

  /** What is kept has changed. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }, GATHER_MS).unref();
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    const isDue = this.#timer !== undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    if (isDue) await this.#write();
  }

  async #write(): Promise<void> {
    const { path, content } = this.#options;
    try {
      await writeFile(`${path}~`, content(), { mode: 0o600 });
      await rename(`${path}~`, path);
      this.#isFailing = false;
    } catch (error) {
      this.#fail(error as NodeJS.ErrnoException);
    }
  }

  #fail({ code, message }: NodeJS.ErrnoException): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#options.failed(codedError('XEE_JOBS_STATE_FILE', { path: this.#options.path, seen: code ?? message }));
  }
}
