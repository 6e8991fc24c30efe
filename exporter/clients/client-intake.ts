import { before, LATE } from '../deadline.js';
import type { XeDevice } from '../host/device.js';
import type { DeviceTable } from '../host/device-table.js';
import { readDrmFdinfo } from '../host/fdinfo.js';
import { creationTime, executableName, readBootTime } from '../host/process-identity.js';
import type { DrmFd } from '../native/binding.js';
import type { XeClient } from './client.js';
import type { ClientNaming } from './client-naming.js';
import type { ClientTable } from './client-table.js';
import { FdIdentities } from './fd-identities.js';

/**
 * fdinfo reads under way at once, one a device, those given up included: each can wait for its GPU on one of libuv's four pool
 * threads, and a hung GPU must neither take them all nor keep the others from being asked.
 */
const IDENTIFICATIONS_AT_ONCE = 2;

/** A read that lasts longer than this is left to itself; its device is asked again at the first look after its end. */
const IDENTIFICATION_DEADLINE_MS = 2_000;

/** Far more than can end while a name is being read. */
const ENDED_REMEMBERED = 4_096;

export interface ClientIntakeOptions {
  readonly procRoot: string;
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  /** Without it no client has a workload. */
  readonly naming?: ClientNaming | undefined;
  readonly identificationDeadlineMs?: number;
}

/** What was found, by drm-client-id, the oldest process first. */
export interface Sighting {
  readonly holders: ReadonlyMap<number, readonly DrmFd[]>;
  /** Clients with an fd that has to be asked again: neither present nor absent. */
  readonly doubtful: ReadonlySet<number>;
}

export interface IdentifyOptions {
  /** Asked right before each read, so that a search can end with its last find. */
  readonly wanted?: (fd: DrmFd) => boolean;
  /** Ask although the answer is known. */
  readonly again?: (fd: DrmFd) => boolean;
  readonly identified?: (fd: DrmFd, drmClientId: number) => void;
}

/**
 * From open drm files to clients of the table, for every kind of discovery: a file is asked who it is (fdinfo, which can wake
 * the GPU) once, and a client is added once, however many find it at the same time. JavaScript thread only.
 */
export class ClientIntake {
  readonly #options: ClientIntakeOptions;
  readonly #identities = new FdIdentities();
  /** Devices with a read that nobody waits for any more. */
  readonly #late = new Set<XeDevice>();
  /** Clients told to be gone: an answer that was on its way must not bring them back. Ids are never reused. */
  readonly #ended = new Set<number>();
  readonly #stopping = new AbortController();
  #asking: Promise<void> = Promise.resolve();
  #bootTime: number | undefined;

  constructor(options: ClientIntakeOptions) {
    this.#options = options;
    // A number is free for another file once its client is gone, or may be gone: ask again.
    options.clients.subscribe({
      removed: ({ client }) => this.#identities.forget(client.drmClientId),
      suspected: ({ client }) => this.#identities.doubt(client.drmClientId),
    });
  }

  /** Cuts what is under way short, even when a GPU does not answer; what comes later does nothing. */
  stop(): void {
    this.#stopping.abort();
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Asks the files that were never asked, a few devices at a time, one caller after the other. */
  identify(fds: readonly DrmFd[], options: IdentifyOptions = {}): Promise<void> {
    this.#asking = this.#asking.then(() => this.#askAll(fds, options));
    return this.#asking;
  }

  /** Forgets every file that is not among these. */
  retain(fds: readonly DrmFd[]): void {
    this.#identities.retain(fds);
  }

  /** An fd that was seen and not asked says nothing of its client, neither that it is there nor that it is gone. */
  sighting(fds: readonly DrmFd[]): Sighting {
    const holders = new Map<number, DrmFd[]>();
    const doubtful = new Set<number>();
    for (const found of fds) {
      const identity = this.#identities.get(found);
      if (identity === undefined) continue;
      const { drmClientId, doubted } = identity;
      const list = holders.get(drmClientId);
      if (doubted) doubtful.add(drmClientId);
      else if (list) list.push(found);
      else holders.set(drmClientId, [found]);
    }
    for (const list of holders.values()) list.sort((a, b) => Number(a.startTime - b.startTime) || a.fd - b.fd);
    return { holders, doubtful };
  }

  /** Adds those of the clients that are not in the table. @returns how many did not fit */
  async admit(holders: ReadonlyMap<number, readonly DrmFd[]>): Promise<number> {
    const { clients, devices } = this.#options;
    let refused = 0;
    // Chosen at once: a client that leaves while names are read must not be taken for a new one.
    for (const [drmClientId, fds] of [...holders].filter(([id]) => this.#isNew(id))) {
      const owner = fds[0];
      const device = owner && devices.byMinor(owner.minor);
      if (!owner || !device) continue;
      if (clients.full) {
        refused++;
        continue;
      }
      const client = await this.#describe(drmClientId, device, owner);
      // Somebody else may have been faster, and its end, too.
      if (this.#isNew(drmClientId)) clients.add(client, fds);
    }
    return refused;
  }

  /** The kernel says that this client is gone. */
  ended(drmClientId: number): void {
    this.#ended.add(drmClientId);
    for (const oldest of this.#ended) {
      if (this.#ended.size <= ENDED_REMEMBERED) break;
      this.#ended.delete(oldest);
    }
    this.#identities.forget(drmClientId);
    const entry = this.#options.clients.get(drmClientId);
    if (entry) this.#options.clients.closing(entry);
  }

  #isNew(drmClientId: number): boolean {
    return this.#options.clients.get(drmClientId) === undefined && !this.#ended.has(drmClientId);
  }

  async #describe(drmClientId: number, device: XeDevice, owner: DrmFd): Promise<XeClient> {
    const { procRoot, naming } = this.#options;
    this.#bootTime ??= await readBootTime(procRoot);
    const client: XeClient = {
      drmClientId,
      device,
      process: {
        pid: owner.pid,
        startTime: owner.startTime,
        executable: await executableName(procRoot, owner.pid, owner.comm),
        createdAt: creationTime(owner.startTime, this.#bootTime),
      },
      workload: undefined,
      holders: 1,
    };
    // Before the watch is placed: afterwards the process may be gone.
    await naming?.name(client);
    return client;
  }

  /** A read that is late takes its lane with it until it ends. */
  async #askAll(fds: readonly DrmFd[], options: IdentifyOptions): Promise<void> {
    const { wanted = () => true, again = () => false } = options;
    const isOpen = (fd: DrmFd): boolean => again(fd) || (this.#identities.get(fd)?.doubted ?? true);
    const queue = this.#byDevice(fds.filter(isOpen)).entries();
    const lane = async (): Promise<void> => {
      for (const [device, files] of queue) {
        for (const file of files) if (wanted(file) && !(await this.#ask(device, file, options))) break;
      }
    };
    await Promise.all(Array.from({ length: Math.max(0, IDENTIFICATIONS_AT_ONCE - this.#late.size) }, lane));
  }

  #byDevice(fds: readonly DrmFd[]): Map<XeDevice, DrmFd[]> {
    const files = new Map<XeDevice, DrmFd[]>();
    for (const found of fds) {
      const device = this.#options.devices.byMinor(found.minor);
      if (device === undefined || this.#late.has(device)) continue;
      const list = files.get(device);
      if (list) list.push(found);
      else files.set(device, [found]);
    }
    return files;
  }

  /** @returns false when the answer did not come in time, or nobody wants it any more */
  async #ask(device: XeDevice, found: DrmFd, { identified }: IdentifyOptions): Promise<boolean> {
    const { procRoot, identificationDeadlineMs = IDENTIFICATION_DEADLINE_MS } = this.#options;
    const { signal } = this.#stopping;
    if (signal.aborted) return false;
    const reading = readDrmFdinfo(procRoot, found.pid, found.fd).catch((error: NodeJS.ErrnoException) => error);
    const answer = await before(identificationDeadlineMs, reading, signal);
    if (answer === LATE) {
      this.#late.add(device);
      void reading.then(() => this.#late.delete(device));
      return false;
    }
    if (answer instanceof Error) {
      if (answer.code === 'ENOENT' || answer.code === 'ESRCH') this.#identities.delete(found);
    } else if (answer?.driver === 'xe') {
      this.#identities.set(found, answer.clientId);
      identified?.(found, answer.clientId);
    } else this.#identities.delete(found);
    return true;
  }
}
