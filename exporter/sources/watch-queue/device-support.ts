import type { XeDevice } from '../../host/device.js';
import type { WatchSupport } from './probe.js';

export interface DeviceSupportOptions {
  /** Finds the watch ioctl of a device; must not reject. */
  readonly probe: (device: XeDevice) => Promise<WatchSupport>;
  /** A device has a proven ioctl: its clients can be watched. */
  readonly onProven: (device: XeDevice) => void;
  /** What is known of some device has changed. */
  readonly onChanged: () => void;
}

/** Which devices of the node can be watched, by proof. */
export class DeviceSupport {
  readonly #options: DeviceSupportOptions;
  readonly #present = new Set<XeDevice>();
  readonly #known = new Map<XeDevice, WatchSupport>();
  readonly #probing = new Map<XeDevice, Promise<void>>();

  constructor(options: DeviceSupportOptions) {
    this.#options = options;
  }

  /** Probes a device that was bound. Resolves when it is known. */
  async add(device: XeDevice): Promise<void> {
    this.#present.add(device);
    await this.#probe(device);
  }

  remove(device: XeDevice): void {
    this.#present.delete(device);
    this.#known.delete(device);
    this.#options.onChanged();
  }

  /** Probes those again whose answer can have changed without the driver being bound again. */
  probeAgain(): void {
    for (const [device, { retry }] of this.#known) if (retry) void this.#probe(device);
  }

  /** Resolves when every device present has been probed. */
  async probed(): Promise<void> {
    await Promise.all(this.#probing.values());
  }

  /** The proven watch ioctl of a device; undefined while there is none. */
  requestFor(device: XeDevice): number | undefined {
    return this.#known.get(device)?.request;
  }

  get empty(): boolean {
    return this.#present.size === 0;
  }

  /** Speaks for the node: a device that can be watched where there is one, else the first; undefined while none is known. */
  get best(): WatchSupport | undefined {
    const all = [...this.#known.values()];
    return all.find(({ request }) => request !== undefined) ?? all[0];
  }

  #probe(device: XeDevice): Promise<void> {
    const underWay = this.#probing.get(device);
    if (underWay !== undefined) return underWay;
    const work = this.#options.probe(device).then((support) => {
      this.#probing.delete(device);
      if (!this.#present.has(device)) return;
      this.#known.set(device, support);
      this.#options.onChanged();
      if (support.request !== undefined) this.#options.onProven(device);
    });
    this.#probing.set(device, work);
    return work;
  }
}
