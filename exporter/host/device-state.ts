import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What can change about a device while the driver is bound to it. Reading it neither wakes the GPU nor blocks. */
export interface DeviceState {
  /** The firmware is damaged, and the driver keeps the device alive only so that it can be reflashed. */
  readonly inSurvivability: boolean;
  /** Runtime power management has put it to sleep, or is about to. */
  readonly suspended: boolean;
  /** Idle milliseconds after which it is put to sleep; 0 for never. */
  readonly autosuspendDelayMs: number;
}

/** A healthy device without runtime power management. */
export const AWAKE: DeviceState = { inSurvivability: false, suspended: false, autosuspendDelayMs: 0 };

/** The sysfs folder of a device. */
function devicePath(sysRoot: string, pciBdf: string): string {
  return join(sysRoot, 'bus/pci/devices', pciBdf);
}

/** `active`, `suspended`, `suspending`, `resuming`, `error`, or `unsupported` for a device that is always on. */
export function runtimeStatusPath(sysRoot: string, pciBdf: string): string {
  return join(devicePath(sysRoot, pciBdf), 'power/runtime_status');
}

/**
 * The attribute survivability_mode exists while the device is in that mode (xe_survivability_mode.c, Linux 7.2), and
 * only root may read its value. Without runtime power management a device is always on.
 */
export function readDeviceState(sysRoot: string, pciBdf: string): DeviceState {
  const path = devicePath(sysRoot, pciBdf);
  const delay = Number(read(join(path, 'power/autosuspend_delay_ms')) || NaN);
  return {
    inSurvivability: existsSync(join(path, 'survivability_mode')),
    suspended: ['suspended', 'suspending'].includes(read(runtimeStatusPath(sysRoot, pciBdf))),
    autosuspendDelayMs: delay > 0 ? delay : 0,
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
