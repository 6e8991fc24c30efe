import { constants } from 'node:os';
import { BoundedMap } from '../bounded-map.js';
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

/** A read that takes longer than this is abandoned; its device is read again at the first scan after it returns. */
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

/** What a scan found, by drm-client-id, the oldest process first. */
export interface Sighting {
  readonly holders: ReadonlyMap<number, readonly DrmFd[]>;
  /** Clients with an fd that has to be identified again: neither present nor absent. */
  readonly doubtful: ReadonlySet<number>;
}

export interface IdentifyOptions {
  /** Called right before each read, so that a search can end with its last find. */
  readonly wanted?: (fd: DrmFd) => boolean;
  /** Identify again although the answer is known. */
  readonly again?: (fd: DrmFd) => boolean;
  readonly identified?: (fd: DrmFd, drmClientId: number) => void;
}

/**
 * Turns open drm files into clients of the table, for every kind of discovery. A file is identified once (fdinfo, which
 * can wake the GPU), and a client is added once, however many searches find it at the same time.
 */
export class ClientIntake {
  readonly #options: ClientIntakeOptions;
  readonly #identities = new FdIdentities();
  /** Devices with an abandoned read. */
  readonly #late = new Set<XeDevice>();
  /** Clients reported gone: an answer in flight must not bring them back. Ids are never reused. */
  readonly #ended = new BoundedMap<number, true>(ENDED_REMEMBERED);
  readonly #stopping = new AbortController();
  #asking: Promise<void> = Promise.resolve();
  #bootTime: number | undefined;

  /** An fd number can be reused once its client is gone, or may be gone: the file has to be identified again. */
  readonly clientListener: ClientTableListener = {
    removed: ({ client }) => this.#identities.forget(client.drmClientId),
    suspected: ({ client }) => this.#identities.doubt(client.drmClientId),
  };

  constructor(options: ClientIntakeOptions) {
    this.#options = options;
  }

  /** Ends what is in flight, even when a GPU does not answer; later calls do nothing. */
  stop(): void {
    this.#stopping.abort();
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Identifies the files that were never identified, one per device at a time, one caller after the other. */
  identify(fds: readonly DrmFd[], options: IdentifyOptions = {}): Promise<void> {
    this.#asking = this.#asking.then(() => this.#askAll(fds, options));
    return this.#asking;
  }

  /** Forgets every file that is not among these. */
  retain(fds: readonly DrmFd[]): void {
    this.#identities.retain(fds);
  }

  /**
   * An fd that was seen but not identified says nothing about its client: neither that it is present nor that it is
   * gone.
   */
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

  /** Adds the clients that are not in the table yet. @returns how many did not fit */
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
      // Another search may have added it meanwhile, and it may even have ended.
      if (this.#isNew(drmClientId)) clients.add(client, fds);
    }
    return refused;
  }

  /** The kernel says that this client is gone. */
  ended(drmClientId: number): void {
    this.#ended.set(drmClientId, true);
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
      holderCount: 1,
    };
    // Before the watch is placed: afterwards the process may be gone.
    await naming?.name(client);
    return client;
  }

  /** A device that is gone still counts while a read of it has not returned: threads are bounded. */
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

  /** @returns false when an answer did not arrive in time or is no longer wanted */
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
