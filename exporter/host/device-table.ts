import { unboundXeDevice, type XeDevice } from './device.js';
import { listXeDevices } from './devices.js';
import { PciIds } from './pci-ids.js';

/** More than any node has; devices beyond it are ignored, and that is reported once. */
export const MAX_DEVICES = 64;

/** What a table calls on its subscribers, synchronously. */
export interface DeviceTableListener {
  /** A device was found, or bound again. */
  added?(device: XeDevice): void;
  /** The device was unbound or unplugged: release whatever is held on it. */
  removed?(device: XeDevice): void;
  /** A refresh found more devices than the table holds. Called once. */
  overflowed?(found: number, kept: number): void;
}

/** The xe devices of the node. A device that was unbound and bound again is removed and added. */
export class DeviceTable {
  readonly #list: () => readonly XeDevice[];
  readonly #listeners: DeviceTableListener[] = [];
  #devices: readonly XeDevice[] = [];
  /** By PCI address, least recently seen first; includes devices that were unbound or never bound. */
  readonly #remembered = new Map<string, XeDevice>();
  #overflowReported = false;

  /** @param list lists the devices the node has now */
  constructor(list: () => readonly XeDevice[]) {
    this.#list = list;
  }

  /** @param sysRoot where sysfs is mounted, normally `/sys` */
  static overSysfs(sysRoot: string): DeviceTable {
    const pciIds = new PciIds();
    return new DeviceTable(() => listXeDevices(sysRoot, pciIds));
  }

  /** Calls the listener about every change from now on, after those that subscribed before it. */
  subscribe(listener: DeviceTableListener): void {
    this.#listeners.push(listener);
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

  /** The device at an address that the xe driver has just named; made up without nodes when the driver failed to bind it. */
  named(pciBdf: string): XeDevice {
    const known = this.#remembered.get(pciBdf);
    if (known !== undefined) return known;
    const device = unboundXeDevice(pciBdf);
    this.#remember(device);
    return device;
  }

  /** Lists the devices again and reports the difference: removals first, then additions. */
  refresh(): void {
    const found = this.#list();
    if (found.length > MAX_DEVICES && !this.#overflowReported) {
      this.#overflowReported = true;
      for (const listener of this.#listeners) listener.overflowed?.(found.length, MAX_DEVICES);
    }
    const before = this.#devices;
    // An unchanged device keeps its object: clients, series and probe results are keyed by it.
    this.#devices = found
      .slice(0, MAX_DEVICES)
      .map((device) => before.find((known) => sameBinding(known, device)) ?? device);
    const removed = before.filter((device) => !this.#devices.includes(device));
    const added = this.#devices.filter((device) => !before.includes(device));
    for (const device of removed) for (const listener of this.#listeners) listener.removed?.(device);
    for (const device of added) for (const listener of this.#listeners) listener.added?.(device);
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

/** Each bind creates the device nodes again, possibly with the same minors, but always with a new directory inode. */
function sameBinding(a: XeDevice, b: XeDevice): boolean {
  return a.pciBdf === b.pciBdf && a.binding === b.binding && a.renderMinor === b.renderMinor;
}
