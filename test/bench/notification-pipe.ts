import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Scope } from './measurement.js';

/** What {@link PipeToCounter} can be told. */
export type Order =
  | { readonly what: 'flood'; readonly writer: string; readonly args: readonly string[]; readonly window: number }
  | { readonly what: 'times' };

export interface FloodAnswer {
  /** written = counted + dropped, or there is no answer. */
  readonly written: number;
  readonly counted: number;
  readonly dropped: number;
  /** From the first write to the last count. */
  readonly seconds: number;
  /** Of all threads of the exporter. */
  readonly cpuSeconds: number;
}

/** CLOCK_MONOTONIC in nanoseconds as text, for every record. */
export interface TimesAnswer {
  readonly readNs: string[];
  readonly countedNs: string[];
}

/** What reader.c prints. */
export interface ReaderResult {
  readonly records: number;
  readonly endNs: string;
  readonly cpuNs: number;
  readonly countedNs: readonly string[];
}

const CHILD = fileURLToPath(new URL('children/pipe-to-counter.js', import.meta.url));
/** The C programs stay where they are when this file is compiled into dist/. */
const SOURCES = fileURLToPath(new URL('../../../test/bench/', import.meta.url));

/** The C programs, compiled for this run. */
export class PipePrograms {
  readonly reader: string;
  readonly writer: string;
  readonly #preload: string;
  readonly #scope: Scope;

  private constructor(scope: Scope) {
    this.#scope = scope;
    this.reader = join(scope.folder, 'reader');
    this.writer = join(scope.folder, 'writer');
    this.#preload = join(scope.folder, 'notification-pipe.so');
  }

  static async compile(scope: Scope): Promise<PipePrograms> {
    const programs = new PipePrograms(scope);
    await Promise.all([
      scope.output('cc', '-O2', '-o', programs.reader, join(SOURCES, 'reader.c')),
      scope.output('cc', '-O2', '-o', programs.writer, join(SOURCES, 'writer.c')),
      scope.output('cc', '-O2', '-shared', '-fPIC', '-o', programs.#preload, join(SOURCES, 'notification-pipe.c')),
    ]);
    return programs;
  }

  async makeFifo(name: string): Promise<string> {
    const path = join(this.#scope.folder, name);
    await this.#scope.output('mkfifo', path);
    return path;
  }

  /** Runs reader.c until the writer of the FIFO is gone. */
  async read(fifo: string, mostTimes = 0): Promise<ReaderResult> {
    return JSON.parse(await this.#scope.output(this.reader, fifo, String(mostTimes))) as ReaderResult;
  }

  /** The exporter from pipe to counter in a process of its own, over a FIFO of that name. */
  async startExporter(name: string, mode: 'flood' | 'times'): Promise<PipeToCounter> {
    const fifo = await this.makeFifo(name);
    const child = fork(CHILD, [mode], { env: { ...process.env, LD_PRELOAD: this.#preload, XE_BENCH_FIFO: fifo } });
    this.#scope.child(child);
    const exporter = new PipeToCounter(child, fifo, this.writer);
    await exporter.answer();
    return exporter;
  }
}

/** The exporter's side of a pipe, see children/pipe-to-counter.ts. */
export class PipeToCounter {
  readonly fifo: string;
  readonly #child: ChildProcess;
  readonly #writer: string;

  constructor(child: ChildProcess, fifo: string, writer: string) {
    this.fifo = fifo;
    this.#child = child;
    this.#writer = writer;
  }

  /** @param window most records under way, 0 for any number: then those that come too fast are dropped */
  flood(floodArgs: readonly string[], window: number): Promise<FloodAnswer> {
    return this.#ask({ what: 'flood', writer: this.#writer, args: ['flood', this.fifo, ...floodArgs], window });
  }

  times(): Promise<TimesAnswer> {
    return this.#ask({ what: 'times' });
  }

  /** The next message of the child. @throws Error when it ends instead */
  async answer<Answer>(): Promise<Answer> {
    const over = new AbortController();
    try {
      const ended = once(this.#child, 'exit', { signal: over.signal }).then(() => {
        throw new Error('the exporter ended');
      });
      ended.catch(() => undefined);
      const [answer] = (await Promise.race([once(this.#child, 'message', { signal: over.signal }), ended])) as [Answer];
      return answer;
    } finally {
      over.abort();
    }
  }

  #ask<Answer>(order: Order): Promise<Answer> {
    const answer = this.answer<Answer>();
    this.#child.send(order);
    return answer;
  }
}
