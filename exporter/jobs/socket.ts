import { closeSync, lstatSync, mkdirSync, renameSync, rmSync, statSync, type Stats } from 'node:fs';
import { connect, Socket } from 'node:net';
import { dirname } from 'node:path';
import { codedError, type CodedError } from '../errors.js';
import type { NativeAddon, NativePeerListener, PeerConnection } from '../native/binding.js';
import { errnoName } from '../wire/errno.js';

export interface JobsSocketOptions {
  readonly path: string;
  readonly procRoot: string;
  readonly native: Pick<NativeAddon, 'PeerListener'>;
  /**
   * Called for each connection. Nothing is read before it returns.
   * @returns false when the connection is one too many: it is closed
   */
  readonly onConnection: (socket: () => Socket, connection: PeerConnection) => boolean;
}

/** How long to wait before more connections are taken: after too many of a peer, and when there is no descriptor for another one. */
const AFTER_TOO_MANY_MS = 20;
const AFTER_FAILURE_MS = 1000;

const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** The unix socket for jobs: makes it, takes its connections, removes it. */
export class JobsSocket {
  readonly #options: JobsSocketOptions;
  readonly #listener: NativePeerListener;
  #inode: number | undefined;
  #notBefore = 0;
  #waiting: NodeJS.Timeout | undefined;

  constructor(options: JobsSocketOptions) {
    this.#options = options;
    this.#listener = new options.native.PeerListener({
      // Ready for everybody before it has its name.
      path: this.#unnamed,
      procRoot: options.procRoot,
      onReady: () => this.#ready(),
    });
  }

  /**
   * Makes the socket, and its folder where that is missing; a socket that nobody serves any more is replaced.
   * @throws CodedError
   */
  async open(): Promise<void> {
    const { path } = this.#options;
    await this.#attempt(async () => {
      prepareFolder(dirname(path), (seen) => this.#refused(seen));
      await this.#checkName();
      rmSync(this.#unnamed, { force: true });
    });
    const failure = this.#listener.open();
    if (failure?.operation === 'peer_pidfd')
      throw codedError('XEE_JOBS_UNSUPPORTED', { seen: errnoName(failure.errno) });
    if (failure) throw this.#failed(`${failure.operation} ${errnoName(failure.errno)}`);
    await this.#attempt(async () => {
      renameSync(this.#unnamed, path);
      this.#inode = lstatSync(path).ino;
    });
  }

  /** No more connections. Those that are there stay. */
  close(): void {
    clearTimeout(this.#waiting);
    this.#listener.close();
    const { path } = this.#options;
    // Another exporter may have put its own there.
    if (this.#inode !== undefined && statusOf(path)?.ino === this.#inode) rmSync(path, { force: true });
    this.#inode = undefined;
  }

  get #unnamed(): string {
    return `${this.#options.path}~`;
  }

  #ready(): void {
    const wait = this.#notBefore - performance.now();
    if (wait <= 0) this.#drain();
    else this.#waiting = setTimeout(() => this.#drain(), wait);
  }

  #drain(): void {
    const { connections, failure } = this.#listener.drain();
    const taken = connections.map((connection) => this.#take(connection));
    if (taken.includes(false)) this.#notBefore = performance.now() + AFTER_TOO_MANY_MS;
    if (failure) this.#waiting = setTimeout(() => this.#drain(), AFTER_FAILURE_MS);
  }

  #take(connection: PeerConnection): boolean {
    const { fd } = connection;
    let socket: Socket | undefined;
    const open = (): Socket => (socket = new Socket({ fd, allowHalfOpen: true }));
    const isTaken = this.#options.onConnection(open, connection);
    if (socket === undefined) closeSync(fd);
    return isTaken;
  }

  async #checkName(): Promise<void> {
    const { path } = this.#options;
    const there = statusOf(path);
    if (there === undefined) return;
    if (!there.isSocket()) throw this.#refused('something that is no socket is there');
    if (await isServed(path)) throw codedError('XEE_JOBS_SOCKET_IN_USE', { path });
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    await work().catch((error: NodeJS.ErrnoException) => {
      throw error.syscall === undefined ? error : this.#refused(`${error.syscall} ${error.code}`);
    });
  }

  #failed(seen: string): CodedError {
    // RestrictAddressFamilies= of systemd.
    if (seen === 'socket EAFNOSUPPORT')
      return codedError('XEE_JOBS_SOCKET_FORBIDDEN', { path: this.#options.path, seen });
    return this.#refused(seen);
  }

  #refused(seen: string): CodedError {
    return codedError('XEE_JOBS_SOCKET_REFUSED', { path: this.#options.path, seen });
  }
}

/** Whoever may write to the folder can put a socket of their own in place of ours, and tell jobs what they like. */
function prepareFolder(folder: string, refused: (seen: string) => CodedError): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const { mode } = statSync(folder);
  if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) throw refused(`everybody may write to ${folder}`);
}

function statusOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    // A full backlog (EAGAIN) is served, too.
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EAGAIN'));
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
  });
}
