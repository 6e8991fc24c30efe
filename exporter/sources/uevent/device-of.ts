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
  const address = uevent.subsystem === 'devcoredump' ? failingDevice(join(sysRoot, uevent.devpath)) : pciBdfOf(uevent);
  if (address === undefined) return undefined;
  return uevent.values.get('DRIVER') === 'xe' ? devices.named(address) : devices.at(address);
}

/** Where the link of a devcoredump leads (drivers/base/devcoredump.c, Linux 7.2); undefined when the dump is gone already. */
function failingDevice(folder: string): string | undefined {
  try {
    return basename(readlinkSync(join(folder, 'failing_device')));
  } catch {
    return undefined;
  }
}
