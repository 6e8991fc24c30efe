import { constants } from 'node:os';
import { TIMED_OUT, withDeadline } from '../time/deadline.js';
import type { XeDevice } from '../host/device.js';
import { MAX_DEVICES, type DeviceTable } from '../host/device-table.js';
import { readDrmFdinfo, type DrmFdinfoAnswer } from '../host/fdinfo.js';
import { creationTime, executableName, readBootTime } from '../host/process-identity.js';
import type { DrmFd, NativeAddon } from '../native/binding.js';
import type { XeClient } from './client.js';
import type { ClientNaming } from './client-naming.js';
import type { ClientTable, ClientTableListener } from './client-table.js';
import { FdIdentities } from './fd-identities.js';

const { ENOENT, ESRCH } = constants.errno;

/** A read that lasts longer than this is left to itself; its device is asked again at the first look after its end. */
const IDENTIFICATION_DEADLINE_MS = 2_000;

/** Far more than can end while a name is being read. */
const ENDED_REMEMBERED = 4_096;

export interface ClientIntakeOptions {
  readonly native: Pick<NativeAddon, 'startReads'>;
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
 * the GPU) once, and a client is added once, however many find it at the same time.
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

  /** An fd number can be reused once its client is gone, or may be gone: the file has to be asked again. */
  readonly clientListener: ClientTableListener = {
    removed: ({ client }) => this.#identities.forget(client.drmClientId),
    suspected: ({ client }) => this.#identities.doubt(client.drmClientId),
  };

  constructor(options: ClientIntakeOptions) {
    this.#options = options;
  }

  /** Cuts what is under way short, even when a GPU does not answer; what comes later does nothing. */
  stop(): void {
    this.#stopping.abort();
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Asks the files that were never asked, one of each device at a time, one caller after the other. */
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

  /** Devices that are gone count, too, while a read of theirs has not come back: threads are bounded. */
  async #askAll(fds: readonly DrmFd[], options: IdentifyOptions): Promise<void> {
    const { wanted, again = () => false } = options;
    const isOpen = (fd: DrmFd): boolean => again(fd) || (this.#identities.get(fd)?.doubted ?? true);
    const askDevice = async (device: XeDevice, files: readonly DrmFd[]): Promise<void> => {
      // A search ends with its last find; the thread would run ahead of that.
      for (const batch of wanted ? files.map((file) => [file]) : [files]) {
        if (wanted?.(batch[0]!) === false) continue;
        if (!(await this.#ask(device, batch, options))) break;
      }
    };
    const most = Math.max(0, MAX_DEVICES - this.#late.size);
    const devices = [...this.#byDevice(fds.filter(isOpen))].slice(0, most);
    await Promise.all(devices.map(([device, files]) => askDevice(device, files)));
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

  /** @returns false when an answer did not come in time, or nobody wants it any more */
  async #ask(device: XeDevice, files: readonly DrmFd[], { identified }: IdentifyOptions): Promise<boolean> {
    const { native, procRoot, identificationDeadlineMs = IDENTIFICATION_DEADLINE_MS } = this.#options;
    const { signal } = this.#stopping;
    if (signal.aborted) return false;
    let answers = 0;
    let givenUp = false;
    const { done, cancel } = readDrmFdinfo(native, procRoot, files, (index, answer) => {
      answers++;
      if (!givenUp) this.#answered(files[index]!, answer, identified);
    });
    for (let seen = -1; seen < answers && !signal.aborted;) {
      seen = answers;
      if ((await withDeadline(identificationDeadlineMs, done, signal)) !== TIMED_OUT) return true;
    }
    givenUp = true;
    this.#late.add(device);
    cancel();
    void done.then(() => this.#late.delete(device));
    return false;
  }

  #answered(found: DrmFd, answer: DrmFdinfoAnswer, identified: IdentifyOptions['identified']): void {
    if (answer && 'errno' in answer) {
      if (answer.errno === ENOENT || answer.errno === ESRCH) this.#identities.delete(found);
    } else if (answer?.driver === 'xe') {
      this.#identities.set(found, answer.clientId);
      identified?.(found, answer.clientId);
    } else this.#identities.delete(found);
  }
}
