import { DRM_MAJOR, drmMinors, type XeDevice } from '../../host/device.js';
import type { DrmFd, NativeAddon } from '../../native/binding.js';
import { Alarm } from '../../time/alarm.js';
import type { ClientIntake } from '../client-intake.js';
import type { ClientTable } from '../client-table.js';

/** A client is announced before its opener has the fd: how long to wait before each scan of that process. */
const WAITS_MS = [0, 1, 5, 20, 100, 500];

/**
 * At this attempt, files that were identified before are identified again too: the number of a file that was closed
 * here but lives on elsewhere can now be the client's.
 */
const ASK_AGAIN_AT = 3;

/** Concurrent searches; the rest is left to /proc at once. */
const MOST_SOUGHT = 4_096;

export interface ClientSearchOptions {
  readonly native: Pick<NativeAddon, 'findDrmFds'>;
  readonly procRoot: string;
  readonly clients: ClientTable;
  readonly intake: ClientIntake;
  /** This client was not found in its process, or there is no room for it. */
  readonly onLeft: (drmClientId: number) => void;
}

/** A client whose device and process are known, but not yet its fd. */
interface Sought {
  readonly drmClientId: number;
  readonly device: XeDevice;
  readonly pid: number;
  attempt: number;
  dueAt: number;
}

/** Finds the fd of clients in the one process that opened them, a few attempts each. */
export class ClientSearch {
  readonly #options: ClientSearchOptions;
  readonly #sought = new Map<number, Sought>();
  readonly #alarm = new Alarm(
    () => performance.now(),
    () => this.#start(),
  );
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ClientSearchOptions) {
    this.#options = options;
  }

  has(drmClientId: number): boolean {
    return this.#sought.has(drmClientId);
  }

  begin(drmClientId: number, device: XeDevice, pid: number): void {
    if (this.#sought.size >= MOST_SOUGHT) return this.#options.onLeft(drmClientId);
    const dueAt = performance.now();
    this.#sought.set(drmClientId, { drmClientId, device, pid, attempt: 0, dueAt });
    this.#schedule(dueAt);
  }

  /** The client is gone. */
  end(drmClientId: number): void {
    this.#sought.delete(drmClientId);
  }

  /** Resolves when no search is in flight. The intake must have been stopped, so that no GPU is waited for. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sought.clear();
    this.#alarm.clear();
    await this.#running;
  }

  #schedule(dueAt: number): void {
    if (!this.#stopped && this.#running === undefined) this.#alarm.setFor(dueAt);
  }

  #start(): void {
    const now = performance.now();
    const due = [...this.#sought.values()].filter(({ dueAt }) => dueAt <= now);
    // A timer can be a fraction of a millisecond early.
    if (due.length === 0) return this.#scheduleAll();
    this.#running = this.#attempt(due).finally(() => {
      this.#running = undefined;
      this.#scheduleAll();
    });
  }

  #scheduleAll(): void {
    for (const { dueAt } of this.#sought.values()) this.#schedule(dueAt);
  }

  /** One scan of the processes of these clients. */
  async #attempt(due: readonly Sought[]): Promise<void> {
    const { native, procRoot, intake } = this.#options;
    const pids = Uint32Array.from(new Set(due.map(({ pid }) => pid)));
    const minors = new Set(drmMinors(due.map(({ device }) => device)));
    const { fds } = await native.findDrmFds(procRoot, pids, DRM_MAJOR, Uint32Array.from(minors));
    const missing = new Map<number, Set<number>>();
    for (const { pid, drmClientId } of due) missing.set(pid, (missing.get(pid) ?? new Set()).add(drmClientId));
    const askAgain = new Set(due.filter(({ attempt }) => attempt === ASK_AGAIN_AT).map(({ pid }) => pid));
    await intake.identify(newestFirst(fds), {
      wanted: ({ pid }) => (missing.get(pid)?.size ?? 0) > 0,
      again: ({ pid }) => askAgain.has(pid),
      identified: ({ pid }, drmClientId) => missing.get(pid)?.delete(drmClientId),
    });
    const { holders } = intake.sighting(fds);
    const found = due.flatMap(({ drmClientId }) => {
      const list = this.#sought.has(drmClientId) ? holders.get(drmClientId) : undefined;
      return list ? [[drmClientId, list] as const] : [];
    });
    await intake.admit(new Map(found));
    for (const sought of due) this.#conclude(sought, holders.has(sought.drmClientId));
  }

  #conclude(sought: Sought, found: boolean): void {
    const { clients, onLeft } = this.#options;
    const { drmClientId } = sought;
    if (!this.#sought.has(drmClientId)) return;
    const wait = WAITS_MS[++sought.attempt];
    if (clients.get(drmClientId) === undefined && !found && wait !== undefined) {
      sought.dueAt = performance.now() + wait;
      return;
    }
    this.#sought.delete(drmClientId);
    if (clients.get(drmClientId) === undefined) onLeft(drmClientId);
  }
}

/** A client that was just opened most likely has the highest number. */
function newestFirst(fds: readonly DrmFd[]): DrmFd[] {
  return [...fds].sort((a, b) => b.fd - a.fd);
}
