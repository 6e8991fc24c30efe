import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { INTEL_VENDOR_ID, type XeDevice } from './device.js';
import { PciIds } from './pci-ids.js';

const PCI_ADDRESS = /^[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

/**
 * The devices bound to the xe driver, in the order of their addresses: `/sys/bus/pci/drivers/xe/<address>` and the drm
 * nodes below it. A device in boot survivability mode is bound and has no nodes. Reads PCI core attributes only, which
 * does not wake a GPU. An unreadable attribute counts as absent; without the driver directory the list is empty.
 *
 * @param sysRoot where sysfs is mounted, normally `/sys`
 * @param pciIds source of model names; keep it for the next call
 */
export function listXeDevices(sysRoot: string, pciIds = new PciIds()): XeDevice[] {
  const driver = join(sysRoot, 'bus/pci/drivers/xe');
  const driverVersion = readAttribute(join(sysRoot, 'module/xe/version')) ?? '';
  return list(driver)
    .filter((name) => PCI_ADDRESS.test(name))
    .sort()
    .map((pciBdf) => readDevice(join(driver, pciBdf), pciBdf, driverVersion, pciIds));
}

function readDevice(path: string, pciBdf: string, driverVersion: string, pciIds: PciIds): XeDevice {
  const nodes = list(join(path, 'drm'));
  const card = nodes.find((name) => /^card\d+$/.test(name));
  const render = nodes.find((name) => /^renderD\d+$/.test(name));
  const vendorId = readAttribute(join(path, 'vendor')) ?? '';
  const deviceId = readAttribute(join(path, 'device')) ?? '';
  return Object.freeze({
    pciBdf,
    card,
    render,
    cardMinor: card && minorOf(join(path, 'drm', card)),
    renderMinor: render && minorOf(join(path, 'drm', render)),
    vendorId,
    deviceId,
    model: vendorId === INTEL_VENDOR_ID ? pciIds.intelModel(deviceId) : '',
    driverVersion,
    binding: inodeOf(join(path, 'drm')),
    serial: serialOf(path),
    physicalFunction: physicalFunctionOf(path),
    numaNode: Number(/^\d+$/.exec(readAttribute(join(path, 'numa_node')) ?? '')?.[0] ?? -1),
  }) as XeDevice;
}

/**
 * The device serial number (`serial_number` in drivers/pci/pci-sysfs.c, read in Linux 7.2; mode 0400). It comes from PCI configuration space,
 * which wakes no device, but one that is powered off answers with ones only.
 */
function serialOf(path: string): string {
  if (readAttribute(join(path, 'power/runtime_status')) !== 'active') return '';
  const serial = /^(?:[0-9a-f]{2}-){7}[0-9a-f]{2}$/.exec(readAttribute(join(path, 'serial_number')) ?? '')?.[0] ?? '';
  return /^[f-]+$/.test(serial) ? '' : serial;
}

function physicalFunctionOf(path: string): string {
  try {
    const pciBdf = basename(readlinkSync(join(path, 'physfn')));
    return PCI_ADDRESS.test(pciBdf) ? pciBdf : '';
  } catch {
    return '';
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}

/**
 * The minor number from a node's `dev` attribute (`226:128`): past 64 nodes of a kind it does not follow from the name.
 */
function minorOf(node: string): number | undefined {
  const minor = /^226:(\d+)$/.exec(readAttribute(join(node, 'dev')) ?? '')?.[1];
  return minor === undefined ? undefined : Number(minor);
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readAttribute(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
