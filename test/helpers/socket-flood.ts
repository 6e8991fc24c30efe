import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IN_CGROUP } from './cgroups.js';
import { waitFor } from './wait-for.js';

const FLOOD = fileURLToPath(new URL('children/flood-socket.js', import.meta.url));

export interface SocketFloodOptions {
  readonly connections?: number;
  /** What each connection sends. */
  readonly bytes?: string | Buffer;
  /** `unread`: it never reads. `drip`: it sends one byte a second. */
  readonly manners?: readonly ('unread' | 'drip')[];
  /** Folder of the cgroup it runs in. */
  readonly cgroup: string;
}

export interface FloodState {
  readonly open: number;
  readonly closed: number;
  /** How many answers of each status came on those that are closed. */
  readonly answers: Readonly<Record<string, number>>;
}

/** A process that opens many connections to a unix socket and never closes one. */
export class SocketFlood {
  readonly child: ChildProcess;
  state: FloodState = { open: 0, closed: 0, answers: {} };

  constructor(
    t: Pick<TestContext, 'after'>,
    socket: string,
    { connections = 1, bytes = '', manners = [], cgroup }: SocketFloodOptions,
  ) {
    const [program = '', ...args] = [...IN_CGROUP, cgroup, process.execPath, FLOOD, socket, String(connections)];
    this.child = spawn(program, [...args, ...manners], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdin!.end(bytes);
    let rest = '';
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      const last = lines.at(-1);
      if (last !== undefined) this.state = JSON.parse(last) as FloodState;
    });
    const ended = once(this.child, 'close');
    t.after(async () => {
      this.child.kill('SIGKILL');
      await ended;
    });
  }

  /** Waits until the connections are as `matches` says. */
  async until(matches: (state: FloodState) => boolean, what: string): Promise<FloodState> {
    const seen = (): string => JSON.stringify(this.state);
    await waitFor(() => matches(this.state), { what, deadlineMs: 60_000 }).catch((error: Error) => {
      throw new Error(`${error.message}: ${seen()}`);
    });
    return this.state;
  }
}
