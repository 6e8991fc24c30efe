// What scenarios of `xe-exporter run` share: a job below it that obeys its standard input.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { driverState, waitFor } from './guest-lib.js';

const MAIN = fileURLToPath(new URL('../../exporter/main.js', import.meta.url));
/** The client program where any user can run it: the scenario copies it there. */
export const CLIENT = '/tmp/client';
export const USER = 1000;

export const watchesOf = (id: number): number | undefined =>
  driverState().clients.find((client) => client.id === id)?.watches;

/** A job below `run`: the client program, which obeys its standard input, in a shell that says which attempt it is. */
export class RunningJob {
  readonly child: ChildProcess;
  readonly said: string[] = [];
  stderr = '';
  /** Of the client that was started last. */
  pid = 0;
  readonly #lines: Interface;

  constructor(
    t: Pick<TestContext, 'after'>,
    options: readonly string[],
    script: string,
    prefix: readonly string[] = [],
  ) {
    const words = [...prefix, process.execPath, MAIN, 'run', ...options, '--', 'sh', '-c', script];
    const user = prefix.length === 0 ? { uid: USER, gid: USER } : {};
    this.child = spawn(words[0]!, words.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/', ...user });
    t.after(() => this.child.kill('SIGKILL'));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#lines = createInterface({ input: this.child.stdout! });
    this.#lines.on('line', (line) => this.said.push(line));
  }

  send(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  async heard(what: string | RegExp): Promise<string> {
    return this.#waitFor(`the job said ${String(what)}`, () => {
      const index = this.said.findIndex((line) => (typeof what === 'string' ? line === what : what.test(line)));
      return index < 0 ? undefined : this.said.splice(0, index + 1).at(-1);
    });
  }

  /** Waits for a started client with a VM. @returns its drm-client-id */
  async started(): Promise<number> {
    const ready = JSON.parse(await this.heard(/"ready":true/)) as { pid: number; files: { client: number }[] };
    this.pid = ready.pid;
    this.send('vm 0');
    await this.heard(/"vm":1/);
    return ready.files[0]!.client;
  }

  /** The same, and it is watched. */
  async ready(): Promise<number> {
    const id = await this.started();
    await this.#waitFor(`client ${id} is watched`, () => watchesOf(id) === 1);
    return id;
  }

  async #waitFor<T>(what: string, condition: () => T | undefined | false): Promise<T> {
    try {
      return await waitFor(what, condition);
    } catch (cause) {
      throw new Error(`not: ${what}; the job said: ${this.said.join(' | ')}; run said: ${this.stderr}`, { cause });
    }
  }

  async end(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }
}
