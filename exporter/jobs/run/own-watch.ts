import { ClientIntake } from '../../clients/client-intake.js';
import { ClientTable } from '../../clients/client-table.js';
import { vmRebindError } from '../../events/definitions/vm-rebind-error.js';
import { FeatureBoard } from '../../features.js';
import { DeviceTable } from '../../host/device-table.js';
import { listXeDevices } from '../../host/devices.js';
import { PciIds } from '../../host/pci-ids.js';
import type { NativeAddon } from '../../native/binding.js';
import { pipeSupport, probeWatchIoctl, type WatchIoctlChoice } from '../../sources/watch-queue/probe.js';
import { WatchQueueSource } from '../../sources/watch-queue/source.js';
import type { WatchBatch } from '../../sources/source.js';
import { forEachRecord, HEADER_BYTES, VM_ERR_BYTES, WATCH_TYPE, XE_SUBTYPE } from '../../wire/watch-notification.js';
import { GpuOpens } from './gpu-opens.js';
import type { Say } from './messages.js';
import { ownFiles } from './own-files.js';
import type { ProcessTree } from './process-tree.js';
import type { Ears, OnVmError } from './vm-error.js';

/** More files than a job has open; a few hundred are many. */
const MOST_CLIENTS = 4_096;

/** A job loses a few VMs at once, never thousands. */
const QUEUE_BYTES = 256 * 1024;

/** How long the removal notices of a job that has ended can take, which follow its errors. */
const LAST_WORDS_MS = 500;

export interface OwnWatchOptions {
  readonly native: NativeAddon;
  readonly ownPid: number;
  readonly tree: ProcessTree;
  readonly procRoot: string;
  readonly sysRoot: string;
  readonly devRoot: string;
  readonly ioctl: WatchIoctlChoice;
  readonly onVmError: OnVmError;
  readonly say: Say;
}

/**
 * Hears of the job's VM errors from the kernel itself: watches every GPU file of our own descendants, for which the kernel asks
 * no privilege (same user; Yama lets an ancestor look). Exact: nobody else's file is ever watched.
 *
 * @returns why it cannot be done here, in one clause, if it cannot
 */
export async function watchOwnJob(options: OwnWatchOptions): Promise<Ears | { readonly cannot: string }> {
  const { native, sysRoot } = options;
  const noPipe = native.probePipe();
  if (noPipe !== undefined) return { cannot: pipeSupport(noPipe).reason };
  const devices = devicesOf(sysRoot);
  if (devices.devices.length === 0) return { cannot: 'this machine has no xe device' };
  const watch = new OwnWatch(options, devices);
  return (await watch.start()) ?? watch;
}

/** The devices of this machine, without names of models: finding those means reading a file of a megabyte. */
export function devicesOf(sysRoot: string): DeviceTable {
  const unnamed = new PciIds([]);
  const devices = new DeviceTable(() => listXeDevices(sysRoot, unnamed));
  devices.refresh();
  return devices;
}

class OwnWatch implements Ears {
  readonly #options: OwnWatchOptions;
  readonly #devices: DeviceTable;
  readonly #clients = new ClientTable(MOST_CLIENTS);
  readonly #features = new FeatureBoard();
  readonly #intake: ClientIntake;
  readonly #source: WatchQueueSource;
  readonly #opens: GpuOpens;
  #onRemoved: () => void = () => undefined;

  constructor(options: OwnWatchOptions, devices: DeviceTable) {
    const { native, procRoot, devRoot, ioctl } = options;
    this.#options = options;
    this.#devices = devices;
    this.#intake = new ClientIntake({ native, procRoot, devices, clients: this.#clients });
    this.#source = new WatchQueueSource({
      name: 'watch_queue',
      backend: 'linux',
      native,
      queueBytes: QUEUE_BYTES,
      devices,
      clients: this.#clients,
      features: this.#features,
      wanted: [vmRebindError],
      probe: once((device) => probeWatchIoctl(native, device, devRoot, ioctl)),
      accounting: UNCOUNTED,
    });
    this.#opens = new GpuOpens({ native, devRoot, devices: () => devices.devices, look: () => this.#look() });
    devices.subscribe(this.#source.deviceListener);
    this.#clients.subscribe(this.#intake.clientListener);
    this.#clients.subscribe(this.#source.clientListener);
    this.#clients.subscribe({ removed: () => this.#onRemoved() });
  }

  /** @returns why not */
  async start(): Promise<{ readonly cannot: string } | undefined> {
    await this.#source.start((batch) => this.#read(batch));
    // Before the ioctl is proven, which takes a while: what is found until then is watched the moment it is.
    const noticed = this.#opens.start();
    await this.#source.settled();
    if (this.#source.up && noticed) {
      this.#features.subscribe(({ state, reason }) => {
        if (state === 'denied') this.#options.say(`a GPU file of the job cannot be watched: ${reason}`);
      });
      return undefined;
    }
    const [report] = this.#features.all();
    await this.#stop();
    return {
      cannot: noticed ? (report?.reason ?? 'no device can be watched') : 'the nodes in /dev/dri cannot be watched',
    };
  }

  lastWords(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(limit);
        resolve();
      };
      const limit = setTimeout(done, LAST_WORDS_MS);
      this.#onRemoved = () => {
        if (![...this.#clients.entries()].some(({ watched }) => watched)) done();
      };
      this.#onRemoved();
    });
  }

  async #stop(): Promise<void> {
    this.#intake.stop();
    await Promise.all([this.#opens.stop(), this.#source.stop()]);
  }

  /** One look at the GPU files of our descendants. @returns whether there was a new client */
  async #look(): Promise<boolean> {
    this.#devices.refresh();
    const fds = await ownFiles(this.#options, this.#devices.devices);
    await this.#intake.identify(fds);
    if (this.#intake.stopped) return false;
    this.#intake.retain(fds);
    const { holders, doubtful } = this.#intake.sighting(fds);
    const isNew = [...holders.keys()].some((id) => this.#clients.get(id) === undefined);
    this.#clients.reconcile(holders, doubtful);
    await this.#intake.admit(holders);
    return isNew;
  }

  #read({ view, start, end, owners }: WatchBatch): void {
    forEachRecord(view, start, end, (type, subtype, watchId, offset, length) => {
      if (type !== WATCH_TYPE.DRM_XE_NOTIFY || subtype !== XE_SUBTYPE.VM_ERR || length < VM_ERR_BYTES) return;
      const errorCode = view.getInt32(offset + HEADER_BYTES + 4, true);
      this.#options.onVmError({ pid: owners[watchId]?.process.pid, errorCode });
    });
  }
}

/** A probe opens the device, and each open is followed by a look: probing again after a look would never end. */
function once<Key extends object, Answer>(ask: (key: Key) => Promise<Answer>): (key: Key) => Promise<Answer> {
  const answers = new WeakMap<Key, Promise<Answer>>();
  return (key) => {
    const answer = answers.get(key) ?? ask(key);
    answers.set(key, answer);
    return answer;
  };
}

/** Nobody scrapes this process. */
const UNCOUNTED = {
  upChanged: () => undefined,
  dropped: () => undefined,
  queuePeak: () => undefined,
  attachFailed: () => undefined,
};
