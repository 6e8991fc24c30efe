import { readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DeviceTable } from '../../host/device-table.js';
import type { XeDevice } from '../../host/device.js';
import { pciBdfOf, type Uevent } from '../../wire/uevent.js';

/** The xe device a uevent is about; undefined for every other device. */
export function deviceOf(
  uevent: Uevent,
  devices: Pick<DeviceTable, 'at' | 'named'>,
  sysRoot: string,
): XeDevice | undefined {
  if (uevent.subsystem === 'devcoredump') return deviceOfDump(join(sysRoot, uevent.devpath), devices);
  const address = pciBdfOf(uevent);
  if (address === undefined) return undefined;
  return uevent.values.get('DRIVER') === 'xe' ? devices.named(address) : devices.at(address);
}

/**
 * The xe device that a devcoredump is of: where its link leads (drivers/base/devcoredump.c, Linux 7.2). Undefined when the dump is gone
 * already, or another driver's.
 */
export function deviceOfDump(folder: string, devices: Pick<DeviceTable, 'at'>): XeDevice | undefined {
  const address = failingDevice(folder);
  return address === undefined ? undefined : devices.at(address);
}

function failingDevice(folder: string): string | undefined {
  try {
    return basename(readlinkSync(join(folder, 'failing_device')));
  } catch {
    return undefined;
  }
}
