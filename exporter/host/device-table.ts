import { unboundXeDevice, type XeDevice } from './device.js';
import { listXeDevices } from './devices.js';
import { PciIds } from './pci-ids.js';

/** More devices than any node has; what lies beyond is left out and reported once. */
export const MAX_DEVICES = 64;

export interface DeviceTableOptions {
  /** Lists the devices of the node now; by default from sysfs. */
  readonly list: () => readonly XeDevice[];
  readonly onAdded: (device: XeDevice) => void;
  /** The device was unbound or unplugged: whatever is held on it has to go. */
  readonly onRemoved: (device: XeDevice) => void;
  readonly onOverflow?: (found: number, kept: number) => void;
}

/** The xe devices of the node. A device that was unbound and bound again is removed and added. JavaScript thread only. */
export class DeviceTable {
  readonly #options: DeviceTableOptions;
  #devices: readonly XeDevice[] = [];
  /** By PCI address, the last heard of last: also devices that were unbound, and such that could not be bound. */
  readonly #remembered = new Map<string, XeDevice>();
  #overflowReported = false;

  constructor(options: DeviceTableOptions) {
    this.#options = options;
  }

  /** @param sysRoot where sysfs is mounted, normally `/sys` */
  static overSysfs(sysRoot: string, options: Omit<DeviceTableOptions, 'list'>): DeviceTable {
    const pciIds = new PciIds();
    return new DeviceTable({ ...options, list: () => listXeDevices(sysRoot, pciIds) });
  }

  get devices(): readonly XeDevice[] {
    return this.#devices;
  }

  byMinor(minor: number): XeDevice | undefined {
    return this.#devices.find((device) => device.renderMinor === minor || device.cardMinor === minor);
  }

  /** The device at an address, also after it was unbound; undefined when it never was an xe device. */
  at(pciBdf: string): XeDevice | undefined {
    return this.#remembered.get(pciBdf);
  }

  /** The same for an address at which the xe driver has just said something: it may have failed to bind. */
  heardOf(pciBdf: string): XeDevice {
    const known = this.#remembered.get(pciBdf);
    if (known !== undefined) return known;
    const device = unboundXeDevice(pciBdf);
    this.#remember(device);
    return device;
  }

  /** Looks again and reports the difference. */
  refresh(): void {
    const { list, onAdded, onRemoved, onOverflow } = this.#options;
    const found = list();
    if (found.length > MAX_DEVICES && !this.#overflowReported) {
      this.#overflowReported = true;
      onOverflow?.(found.length, MAX_DEVICES);
    }
    const before = this.#devices;
    // An unchanged device keeps its object: clients, series and probe results hang on its identity.
    this.#devices = found
      .slice(0, MAX_DEVICES)
      .map((device) => before.find((known) => sameBinding(known, device)) ?? device);
    for (const device of before) if (!this.#devices.includes(device)) onRemoved(device);
    for (const device of this.#devices) if (!before.includes(device)) onAdded(device);
    for (const device of this.#devices) this.#remember(device);
  }

  #remember(device: XeDevice): void {
    this.#remembered.delete(device.pciBdf);
    this.#remembered.set(device.pciBdf, device);
    for (const address of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_DEVICES) break;
      if (this.#devices.every(({ pciBdf }) => pciBdf !== address)) this.#remembered.delete(address);
    }
  }
}

/** Every bind makes the nodes anew; their numbers can be the same as before, but not the inode of their folder. */
function sameBinding(a: XeDevice, b: XeDevice): boolean {
  return a.pciBdf === b.pciBdf && a.binding === b.binding && a.renderMinor === b.renderMinor;
}
