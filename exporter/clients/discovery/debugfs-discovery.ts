import { readdirSync } from 'node:fs';
import { pid as ownPid } from 'node:process';
import { getSystemErrorName } from 'node:util';
import type { DeviceTable } from '../../host/device-table.js';
import { DrmClientDirectory, drmClientIdOf } from '../../host/drm-clients.js';
import type { NativeAddon, NativeDirectoryWatch } from '../../native/binding.js';
import type { FeatureBoard } from '../../features.js';
import { Timers } from '../../time/timers.js';
import type { ClientIntake } from '../client-intake.js';
import { ClientSearch } from './client-search.js';
import type { ClientEntry, ClientTable } from '../client-table.js';

/** New directories inspected in one turn of the event loop. */
const ARRIVALS_A_TURN = 256;

/** The directory of a new client exists before its contents, if only for microseconds. */
const UNREADABLE_WAITS_MS = [1, 5, 20];

/** A device appears in debugfs before it does in sysfs, and disappears earlier. */
const DEVICE_WAITS_MS = [0, 50, 250, 1_000];

export interface DebugfsDiscoveryOptions {
  readonly native: Pick<NativeAddon, 'findDrmFds' | 'DirectoryWatch'>;
  readonly debugfsRoot: string;
  readonly procRoot: string;
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly intake: ClientIntake;
  readonly features: FeatureBoard;
}

/**
 * `unproven`: the directory is watched, but no client has shown that this kernel makes client directories.
 * `unsupported`: it does not.
 */
type State = 'closed' | 'unproven' | 'active' | 'unsupported';

/**
 * Notices clients as they are opened and closed, from the directories the DRM core creates for them (Linux 7.x).
 * Nothing is polled, and a GPU is woken only by the one fdinfo read that ties a new client to its fd.
 */
export class DebugfsDiscovery {
  readonly #options: DebugfsDiscoveryOptions;
  readonly #directory: DrmClientDirectory;
  readonly #search: ClientSearch;
  /** New client directories not inspected yet, with the number of attempts that found nothing in them. */
  readonly #arrivals = new Map<number, number>();
  /**
   * Clients that are not ours to find: of other drivers, our own, or left to /proc. Only while their directory is
   * there.
   */
  readonly #settled = new Set<number>();
  /** Devices that sysfs does not show as xe. */
  readonly #foreignDevices = new Set<string>();
  readonly #timers = new Timers();
  #knownDevices: DeviceTable['devices'] = [];
  #watch: NativeDirectoryWatch | undefined;
  #nextTurn: NodeJS.Immediate | undefined;
  #state: State = 'closed';
  #stopped = false;
  /** Clients of the table that had no directory at the last listing. */
  #withoutDirectory: ClientEntry[] = [];
  #left = false;
  /** A series of sysfs scans has been requested and has not begun. */
  #refreshing = false;

  constructor(options: DebugfsDiscoveryOptions) {
    this.#options = options;
    this.#directory = new DrmClientDirectory(options.debugfsRoot);
    this.#search = new ClientSearch({ ...options, onLeft: (drmClientId) => this.#leave(drmClientId) });
  }

  /** True once clients are known to be announced here: /proc need not be scanned often. */
  get active(): boolean {
    return this.#state === 'active';
  }

  /** @returns whether a client was left to /proc since the last call */
  takeLeft(): boolean {
    const left = this.#left;
    this.#left = false;
    return left;
  }

  /** Every client, by the kernel's own list; undefined where there is none. Also opens the watch when possible. */
  list(): ReadonlySet<number> | undefined {
    if (this.#stopped || this.#state === 'unsupported' || this.#options.devices.devices.length === 0) return undefined;
    if (this.#state === 'closed' && !this.#open()) return undefined;
    let listed: Set<number>;
    try {
      listed = this.#directory.list();
    } catch (error) {
      this.#close(error);
      return undefined;
    }
    if (listed.size > 0) this.#proven();
    this.#forgetWhatLeft(listed);
    this.#withoutDirectory = [...this.#options.clients.entries()].filter(
      ({ client, holders }) => holders.length > 0 && !listed.has(client.drmClientId),
    );
    return this.active ? listed : undefined;
  }

  /** Searches for the listed clients that have not been found. */
  seek(listed: ReadonlySet<number>): void {
    for (const drmClientId of listed) this.#arrived(drmClientId);
  }

  /**
   * Call it after a scan of /proc that followed a listing: a client that was there before and after but had no
   * directory in between shows that this kernel creates none. No file is opened to find out.
   */
  judge(): void {
    if (this.#state !== 'unproven') return;
    const { clients, features } = this.#options;
    const isThere = (entry: ClientEntry): boolean =>
      clients.get(entry.client.drmClientId) === entry && entry.holders.length > 0;
    if (!this.#withoutDirectory.some(isThere)) return;
    this.#release();
    this.#state = 'unsupported';
    features.report('discovery_debugfs', 'unsupported', 'this kernel has no debugfs directories of DRM clients', '');
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#release();
    await this.#search.stop();
  }

  #open(): boolean {
    if (!this.#directory.exists()) return this.#reportMissing();
    const watch = new this.#options.native.DirectoryWatch({
      path: this.#directory.path,
      onReady: () => this.#drain(),
    });
    const refused = watch.open();
    if (refused !== undefined) {
      watch.close();
      this.#options.features.report(
        'discovery_debugfs',
        'denied',
        `${refused.operation} failed with ${getSystemErrorName(-refused.errno)}`,
        'Run as uid 0; raise fs.inotify.max_user_instances and fs.inotify.max_user_watches.',
      );
      return false;
    }
    this.#watch = watch;
    this.#state = 'unproven';
    return true;
  }

  /** Why there is nothing to watch. @returns false */
  #reportMissing(): false {
    const { debugfsRoot, features } = this.#options;
    const mount = `Mount the node's debugfs (/sys/kernel/debug) read-only at ${debugfsRoot}.`;
    try {
      const mounted = readdirSync(debugfsRoot).length > 0;
      const reason = mounted ? `${debugfsRoot} has no directory dri` : `no debugfs is mounted at ${debugfsRoot}`;
      features.report('discovery_debugfs', 'denied', reason, mount);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') features.report('discovery_debugfs', 'denied', `${debugfsRoot} does not exist`, mount);
      else features.report('discovery_debugfs', 'denied', `${debugfsRoot} cannot be read (${code})`, 'Run as uid 0.');
    }
    return false;
  }

  /** The directory can no longer be read, most likely because it was unmounted. The next listing tries again. */
  #close(error?: unknown): void {
    this.#release();
    this.#state = 'closed';
    const { features, debugfsRoot } = this.#options;
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    features.report(
      'discovery_debugfs',
      'denied',
      `${this.#directory.path} is gone${code === undefined ? '' : ` (${code})`}`,
      `Mount the node's debugfs (/sys/kernel/debug) read-only at ${debugfsRoot}.`,
    );
  }

  #release(): void {
    this.#watch?.close();
    this.#watch = undefined;
    clearImmediate(this.#nextTurn);
    this.#nextTurn = undefined;
    this.#timers.clear();
    this.#arrivals.clear();
    this.#settled.clear();
    this.#foreignDevices.clear();
    this.#withoutDirectory = [];
    this.#refreshing = false;
  }

  #proven(): void {
    if (this.#state === 'active') return;
    this.#state = 'active';
    this.#options.features.report('discovery_debugfs', 'active');
  }

  #drain(): void {
    if (this.#watch === undefined) return;
    const { created, deleted, overflow, gone } = this.#watch.drain();
    if (gone) return this.#close();
    let devicesChanged = overflow;
    for (const name of deleted) {
      const drmClientId = drmClientIdOf(name);
      if (drmClientId === undefined) devicesChanged = true;
      else this.#departed(drmClientId);
    }
    // Ids are never reused: a client that came and went meanwhile is not searched for.
    const over = new Set(deleted);
    for (const name of created) {
      const drmClientId = drmClientIdOf(name);
      if (drmClientId === undefined) devicesChanged = true;
      else {
        this.#proven();
        if (!over.has(name)) this.#arrived(drmClientId);
      }
    }
    if (devicesChanged) this.#refreshDevices();
    if (overflow) this.seek(this.list() ?? new Set());
  }

  #departed(drmClientId: number): void {
    this.#arrivals.delete(drmClientId);
    this.#settled.delete(drmClientId);
    this.#search.end(drmClientId);
    this.#options.intake.ended(drmClientId);
  }

  #arrived(drmClientId: number): void {
    if (this.#settled.has(drmClientId) || this.#arrivals.has(drmClientId) || this.#isFound(drmClientId)) return;
    this.#arrivals.set(drmClientId, 0);
    this.#nextTurn ??= setImmediate(() => this.#lookInto());
  }

  #isFound(drmClientId: number): boolean {
    return this.#search.has(drmClientId) || this.#options.clients.get(drmClientId) !== undefined;
  }

  #lookInto(): void {
    this.#nextTurn = undefined;
    let left = ARRIVALS_A_TURN;
    for (const [drmClientId, attempt] of this.#arrivals) {
      if (left-- === 0) {
        this.#nextTurn = setImmediate(() => this.#lookInto());
        return;
      }
      this.#arrivals.delete(drmClientId);
      if (!this.#isFound(drmClientId)) this.#lookIntoOne(drmClientId, attempt);
    }
  }

  #lookIntoOne(drmClientId: number, attempt: number): void {
    const name = this.#directory.deviceOf(drmClientId);
    if (name === undefined) return this.#lookAgain(drmClientId, attempt);
    const device = this.#xeDevice(name);
    // Before anything touches the file: our own ioctl would make us the owner.
    const pid = device && this.#directory.pidOf(drmClientId);
    if (device === undefined || pid === undefined || pid === ownPid) this.#settled.add(drmClientId);
    else if (pid === 0) this.#leave(drmClientId);
    else this.#search.begin(drmClientId, device, pid);
  }

  /** Either the directory is not complete yet, or the client is gone, which will be reported, or debugfs is. */
  #lookAgain(drmClientId: number, attempt: number): void {
    const wait = UNREADABLE_WAITS_MS[attempt];
    if (!this.#directory.exists()) return this.#close();
    if (wait === undefined) return;
    this.#timers.after(wait, () => {
      this.#arrivals.set(drmClientId, attempt + 1);
      this.#nextTurn ??= setImmediate(() => this.#lookInto());
    });
  }

  /** A name that is not known may be a device bound since sysfs was looked at. */
  #xeDevice(name: string): DeviceTable['devices'][number] | undefined {
    const { devices } = this.#options;
    const find = () => devices.devices.find(({ pciBdf }) => pciBdf === name);
    if (this.#foreignDevices.has(name)) return undefined;
    const known = find();
    if (known !== undefined) return known;
    devices.refresh();
    const found = find();
    if (found === undefined) this.#foreignDevices.add(name);
    return found;
  }

  #refreshDevices(): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    for (const wait of DEVICE_WAITS_MS) {
      this.#timers.after(wait, () => {
        this.#refreshing &&= wait > 0;
        this.#foreignDevices.clear();
        this.#options.devices.refresh();
      });
    }
  }

  #leave(drmClientId: number): void {
    this.#settled.add(drmClientId);
    this.#left = true;
  }

  #forgetWhatLeft(listed: ReadonlySet<number>): void {
    for (const drmClientId of this.#settled) if (!listed.has(drmClientId)) this.#settled.delete(drmClientId);
    const { devices } = this.#options.devices;
    if (devices.some((device) => !this.#knownDevices.includes(device))) {
      this.#settled.clear();
      this.#foreignDevices.clear();
    }
    this.#knownDevices = devices;
  }
}
