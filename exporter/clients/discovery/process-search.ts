import { DRM_MAJOR, drmMinors } from '../../host/device.js';
import type { DeviceTable } from '../../host/device-table.js';
import type { NativeAddon } from '../../native/binding.js';
import type { ClientIntake } from '../client-intake.js';
import type { ClientTableListener } from '../client-table.js';

/** How long to wait before each look at a process: one that makes a VM has the file open already. */
const WAITS_MS = [0, 50, 500];
/** Processes sought at a time; what lies beyond is left to the next look at /proc. */
const MOST_SOUGHT = 1_024;

export interface ProcessSearchOptions {
  readonly native: Pick<NativeAddon, 'findDrmFds'>;
  readonly procRoot: string;
  readonly devices: DeviceTable;
  readonly intake: ClientIntake;
}

/** Finds the clients of a process that is known to use a GPU, at once, where the kernel does not announce clients. */
export class ProcessSearch {
  /** Has to follow the client table. */
  readonly clientListener: ClientTableListener = {
    added: ({ client }) => this.#count(client.process.pid, 1),
    removed: ({ client }) => this.#count(client.process.pid, -1),
  };
  readonly #options: ProcessSearchOptions;
  /** Processes with a client in the table, and how many. */
  readonly #known = new Map<number, number>();
  /** Processes and which look at them is next. */
  readonly #sought = new Map<number, number>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ProcessSearchOptions) {
    this.#options = options;
  }

  seek(pid: number): void {
    if (this.#stopped || this.#known.has(pid) || this.#sought.has(pid) || this.#sought.size >= MOST_SOUGHT) return;
    this.#sought.set(pid, 0);
    this.#schedule();
  }

  /** Resolves when nothing is under way. The intake must have been stopped, so that no GPU is waited for. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #count(pid: number, change: number): void {
    const clients = (this.#known.get(pid) ?? 0) + change;
    if (clients > 0) this.#known.set(pid, clients);
    else this.#known.delete(pid);
  }

  /** The next look is at all that are sought, as soon as the one that has waited least is due. */
  #schedule(): void {
    if (this.#stopped || this.#running !== undefined || this.#sought.size === 0) return;
    clearTimeout(this.#timer);
    const next = Math.min(...this.#sought.values());
    this.#timer = setTimeout(() => this.#look(), WAITS_MS[next]);
  }

  #look(): void {
    const pids = [...this.#sought.keys()];
    this.#running = this.#find(pids).finally(() => {
      this.#running = undefined;
      for (const pid of pids) this.#looked(pid);
      this.#schedule();
    });
  }

  #looked(pid: number): void {
    const next = (this.#sought.get(pid) ?? 0) + 1;
    if (this.#known.has(pid) || next >= WAITS_MS.length) this.#sought.delete(pid);
    else this.#sought.set(pid, next);
  }

  async #find(pids: readonly number[]): Promise<void> {
    const { native, procRoot, devices, intake } = this.#options;
    const minors = Uint32Array.from(drmMinors(devices.devices));
    if (minors.length === 0) return;
    const { fds } = await native.findDrmFds(procRoot, Uint32Array.from(pids), DRM_MAJOR, minors);
    await intake.identify(fds);
    if (!intake.stopped) await intake.admit(intake.sighting(fds).holders);
  }
}
