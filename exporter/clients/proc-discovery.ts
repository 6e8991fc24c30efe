import { pid as ownPid } from 'node:process';
import { before, LATE } from '../deadline.js';
import type { XeDevice } from '../host/device.js';
import type { DeviceTable } from '../host/device-table.js';
import { readDrmFdinfo } from '../host/fdinfo.js';
import { creationTime, executableName, readBootTime } from '../host/process-identity.js';
import type { DrmFd, DrmFdScan, NativeAddon } from '../native/binding.js';
import type { FeatureBoard } from '../telemetry/features.js';
import type { XeClient } from './client.js';
import type { ClientTable } from './client-table.js';
import { FdIdentities } from './fd-identities.js';

/** DRM character devices (include/drm/drm_ioctl.h). */
export const DRM_MAJOR = 226;

/**
 * fdinfo reads under way at once, one a device, those given up included: each can wait for its GPU on one of libuv's four pool
 * threads, and a hung GPU must neither take them all nor keep the others from being asked.
 */
const IDENTIFICATIONS_AT_ONCE = 2;

/** A read that lasts longer than this is left to itself; its device is asked again at the first look after its end. */
const IDENTIFICATION_DEADLINE_MS = 2_000;

export interface ProcDiscoveryOptions {
  readonly native: Pick<NativeAddon, 'scanDrmFds'>;
  readonly procRoot: string;
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly features: FeatureBoard;
  /** Clients that did not fit the table at this look. */
  readonly onRefused?: (count: number) => void;
  readonly identificationDeadlineMs?: number;
}

/** What one look found, by drm-client-id. */
interface Sighting {
  readonly holders: ReadonlyMap<number, readonly DrmFd[]>;
  readonly doubtful: ReadonlySet<number>;
}

/**
 * Finds xe clients by looking for drm files, by device number, in every process. One look at a time; the walk over /proc runs
 * natively off the JavaScript thread. A file is asked who it is (fdinfo, which can wake the GPU) once, when first seen.
 */
export class ProcDiscovery {
  readonly #options: ProcDiscoveryOptions;
  readonly #identities = new FdIdentities();
  /** Devices with a read that nobody waits for any more. */
  readonly #late = new Set<XeDevice>();
  readonly #stopping = new AbortController();
  #bootTime: number | undefined;

  constructor(options: ProcDiscoveryOptions) {
    this.#options = options;
    // A number is free for another file once its client is gone, or may be gone: ask again.
    options.clients.subscribe({
      removed: ({ client }) => this.#identities.forget(client.drmClientId),
      suspected: ({ client }) => this.#identities.doubt(client.drmClientId),
    });
  }

  /** Cuts the look under way short, even when a GPU does not answer; later ones do nothing. */
  stop(): void {
    this.#stopping.abort();
  }

  /** One look at the node: files, then who they are, then the client table. Never rejects. */
  async look(): Promise<void> {
    const { native, procRoot, devices, clients } = this.#options;
    const minors = devices.devices.flatMap((device) =>
      [device.renderMinor, device.cardMinor].filter((minor) => minor !== undefined),
    );
    if (minors.length === 0) return clients.reconcile(new Map());
    this.#bootTime ??= await readBootTime(procRoot);
    const scan = await native.scanDrmFds(procRoot, DRM_MAJOR, Uint32Array.from(minors));
    this.#reportState(scan);
    if (scan.failure !== undefined) return;

    // Our own files are the probe's, and the copies of clients that are being attached to.
    const fds = scan.fds.filter(({ pid }) => pid !== ownPid);
    await this.#identifyAll(fds.filter((found) => this.#identities.get(found)?.doubted ?? true));
    if (this.#stopping.signal.aborted) return;
    this.#identities.retain(fds);
    const { holders, doubtful } = this.#sighting(fds);
    clients.reconcile(holders, doubtful);
    await this.#addNew(holders);
  }

  /** Asks the files who they are, a few devices at a time. A read that is late takes its lane with it until it ends. */
  async #identifyAll(fds: readonly DrmFd[]): Promise<void> {
    const queue = this.#byDevice(fds).entries();
    const lane = async (): Promise<void> => {
      for (const [device, files] of queue) {
        for (const file of files) if (!(await this.#identify(device, file))) return;
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
  async #identify(device: XeDevice, found: DrmFd): Promise<boolean> {
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
    } else if (answer?.driver === 'xe') this.#identities.set(found, answer.clientId);
    else this.#identities.delete(found);
    return true;
  }

  /** An fd that was seen and not asked says nothing of its client, neither that it is there nor that it is gone. */
  #sighting(fds: readonly DrmFd[]): Sighting {
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

  async #addNew(holders: ReadonlyMap<number, readonly DrmFd[]>): Promise<void> {
    const { clients, procRoot, devices, onRefused } = this.#options;
    let refused = 0;
    // Chosen at once: a client that leaves while names are read must not be taken for a new one.
    for (const [drmClientId, fds] of [...holders].filter(([id]) => clients.get(id) === undefined)) {
      const owner = fds[0];
      const device = owner && devices.byMinor(owner.minor);
      if (!owner || !device) continue;
      if (clients.full) {
        refused++;
        continue;
      }
      const client: XeClient = Object.freeze({
        drmClientId,
        device,
        process: {
          pid: owner.pid,
          startTime: owner.startTime,
          executable: await executableName(procRoot, owner.pid, owner.comm),
          createdAt: creationTime(owner.startTime, this.#bootTime),
        },
        workload: undefined,
      });
      clients.add(client, fds);
    }
    if (refused > 0) onRefused?.(refused);
  }

  #reportState({ failure, processes, denied }: DrmFdScan): void {
    const { features, procRoot } = this.#options;
    if (failure !== undefined) {
      features.report(
        'discovery_proc',
        'denied',
        `${procRoot} cannot be read`,
        `Mount the node's /proc at ${procRoot}.`,
      );
    } else if (denied > 0) {
      features.report(
        'discovery_proc',
        'denied',
        denied === processes ? 'no process can be inspected' : 'some processes cannot be inspected',
        'Run with hostPID, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.',
      );
    } else {
      features.report('discovery_proc', 'active');
    }
  }
}
