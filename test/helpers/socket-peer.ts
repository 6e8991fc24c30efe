import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IN_CGROUP } from './cgroups.js';
import { waitFor } from './wait-for.js';

/** The program that asks. It needs no other file, so it can be copied to where another user may read it. */
export const ASK = fileURLToPath(new URL('children/ask-socket.js', import.meta.url));

export interface SocketPeerOptions {
  readonly path?: string;
  readonly headers?: readonly string[];
  /** Folder of the cgroup it runs in. */
  readonly cgroup?: string | undefined;
  /** A program that starts it, such as unshare with its options. */
  readonly launcher?: readonly string[];
  /** The Node.js that asks, where the launcher has another one than ours. */
  readonly node?: string;
  /** A copy of {@link ASK}. */
  readonly script?: string;
}

/** A process that asks a unix socket over HTTP. */
export class SocketPeer {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  #text = '';

  constructor(
    t: Pick<TestContext, 'after'>,
    socket: string,
    {
      path = '/events',
      headers = [],
      cgroup,
      launcher = [],
      node = process.execPath,
      script = ASK,
    }: SocketPeerOptions = {},
  ) {
    const prefix = cgroup === undefined ? [] : [...IN_CGROUP, cgroup];
    const [program = '', ...args] = [...prefix, ...launcher, node, script, socket, path, ...headers];
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#text += text));
    this.ended = once(this.child, 'close');
    t.after(async () => {
      this.child.kill('SIGKILL');
      await this.ended;
    });
  }

  get status(): number {
    return parseInt(this.#text, 10);
  }

  get body(): string {
    return this.#text.slice(this.#text.indexOf('\n\n') + 2);
  }

  /** What came as events so far. */
  get events(): { readonly id: string; readonly event: string; readonly data: Record<string, unknown> }[] {
    return [...this.body.matchAll(/^id: (.*)\nevent: (.*)\ndata: (.*)\n\n/gm)].map(
      ([, id = '', event = '', data = '']) => ({
        id,
        event,
        data: JSON.parse(data) as Record<string, unknown>,
      }),
    );
  }

  get lastId(): string {
    return [...this.body.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }

  /** Waits until the stream is open. */
  async streaming(): Promise<this> {
    await waitFor(() => this.body.includes('retry: '), { what: `an event stream: ${this.#text}` });
    return this;
  }

  /** The whole answer. */
  async answered(): Promise<this> {
    await this.ended;
    return this;
  }
}
