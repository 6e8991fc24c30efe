import { execFile, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Table } from './table.js';

/** One thing that is measured, always next to something else in the same run: absolute numbers depend on the machine. */
export interface Measurement {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** A measurement that takes longer has failed. */
  readonly deadlineSeconds: number;
  run(scope: Scope): Promise<Table>;
}

/** How long a process may take to end when asked. */
const GRACE_MS = 2_000;

const execute = promisify(execFile);

/** What a measurement starts and leaves behind, for {@link Scope.close} to end and remove. */
export class Scope {
  /** Of this measurement alone. */
  readonly folder: string;
  readonly #children = new Set<ChildProcess>();
  readonly #closers: (() => Promise<void>)[] = [];
  #closed = false;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Scope> {
    return new Scope(await mkdtemp(join(tmpdir(), 'xe-exporter-bench-')));
  }

  /** Ends with the measurement, at once when that is over: past its deadline it goes on without anybody waiting. */
  child<Child extends ChildProcess>(child: Child): Child {
    if (this.#closed) child.kill('SIGKILL');
    this.#children.add(child);
    child.on('error', () => undefined); // It shows as the condition that is waited for in vain.
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  onClose(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** Runs a program to its end. @returns what it printed @throws when it fails */
  async output(program: string, ...args: string[]): Promise<string> {
    const running = execute(program, args, { cwd: this.folder, maxBuffer: 64 << 20 });
    this.child(running.child);
    return (await running).stdout;
  }

  /** Ends every process, politely first, and removes the folder. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#children].map(end));
    await Promise.all(this.#closers.map((close) => close()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    if (child.connected) child.disconnect();
    else child.kill('SIGTERM');
  });
}
