import { join } from 'node:path';
import { constants } from 'node:os';
import { errnoName } from '../../wire/errno.js';
import type { XeDevice } from '../../host/device.js';
import type { NativeAddon, NativeFailure } from '../../native/binding.js';
import type { FeatureState } from '../../names.js';
import { WATCH_IOCTL_NUMBERS, watchRequest } from '../../wire/watch-ioctl.js';

/** `--xe-watch-ioctl`: probe all known numbers or just one. A number given by hand has to be proven too. */
export type WatchIoctlChoice = 'auto' | '0x0f' | '0x10' | '0x11';

/** What is known of the watch ioctl on one device. */
export interface WatchSupport {
  /** The proven ioctl request; undefined when there is none. Only a proven one may be sent to another process's file. */
  readonly request: number | undefined;
  readonly state: FeatureState;
  readonly reason: string;
  readonly fix: string;
  /** True when the answer can change without the driver being bound again (a wedged device, a missing permission). */
  readonly retry: boolean;
}

/** Tag carried by the probe's own watch; not zero, so that a foreign ioctl can never read our arguments as all zero. */
const PROBE_TAG = 0xa5;
const { EACCES, EBUSY, ENODEV, ENOENT, ENXIO, EPERM } = constants.errno;
/** Not a rare errno here: every xe ioctl of a wedged device ends with it (xe_device.c, Linux 7.2). */
const { ECANCELED } = constants.errno;

const FIX_KERNEL = 'Run a kernel whose xe driver has the watch_queue series.';

/** Why a notification pipe cannot be made, in words. */
export function pipeSupport({ operation, errno }: NativeFailure): WatchSupport {
  const seen = `${operation} of a notification pipe failed with ${errnoName(errno)}`;
  switch (errnoName(errno)) {
    case 'ENOPKG':
      return unsupported(`the kernel is built without CONFIG_WATCH_QUEUE (${seen})`, FIX_KERNEL);
    case 'EINVAL':
      return unsupported(
        `the kernel is older than 5.8 or a sandbox such as gVisor (${seen})`,
        'Run on the host kernel, with a container runtime such as runc.',
      );
    case 'ENOTTY':
      // A pipe that was just made as a notification pipe has the ioctls of one; QEMU does not know them.
      return unsupported(
        `this program runs in an emulator such as QEMU's user mode, which keeps the watch queue from it (${seen})`,
        'Run the build, or the image, for the architecture of the machine.',
      );
    case 'EPERM':
      return denied(seen, 'Raise fs.pipe-user-pages-soft, or run with CAP_SYS_RESOURCE.');
    default:
      return { ...unsupported(seen, 'Raise the limits on open files and memory.'), retry: true };
  }
}

/**
 * Finds the number of the watch ioctl on a device by positive proof, on throw-away opens of its render node: attached, EBUSY on
 * the second attach, and a removal notice with our tag after the close. Every other answer looks alike (EINVAL), so that
 * anything less is a no. Takes up to a second per number that half works. Never rejects.
 *
 * @param devRoot where the device nodes are, normally `/dev`
 */
export async function probeWatchIoctl(
  native: Pick<NativeAddon, 'probe'>,
  device: XeDevice,
  devRoot: string,
  choice: WatchIoctlChoice,
): Promise<WatchSupport> {
  if (device.render === undefined) {
    return unsupported(
      `${device.pciBdf} has no render node (survivability mode?)`,
      'Look for xe errors in the kernel log.',
    );
  }
  const node = join(devRoot, 'dri', device.render);
  const candidates = choice === 'auto' ? WATCH_IOCTL_NUMBERS : [Number(choice)];
  for (const nr of candidates) {
    const result = await native.probe(node, watchRequest(nr), PROBE_TAG);
    if (result.failure) return nodeRefused(node, result.failure);
    if (result.attachErrno === ECANCELED) {
      return { ...unsupported(`${device.pciBdf} is wedged`, 'Rebind the driver or reset the device.'), retry: true };
    }
    if (result.attachErrno === 0 && result.repeatErrno === EBUSY && result.removalSeen) {
      return { request: watchRequest(nr), state: 'active', reason: `ioctl 0x${hex(nr)}`, fix: '', retry: false };
    }
  }
  const tried = candidates.map((nr) => `0x${hex(nr)}`).join(', ');
  return unsupported(`the xe driver has no watch ioctl (tried ${tried})`, FIX_KERNEL);
}

function nodeRefused(node: string, { operation, errno }: NativeFailure): WatchSupport {
  const seen = `${operation} of ${node} failed with ${errnoName(errno)}`;
  if (errno === EACCES || errno === EPERM) {
    return {
      ...denied(seen, `Give the exporter access to ${node} (device plugin, or the render group).`),
      retry: true,
    };
  }
  if (errno === ENOENT || errno === ENXIO || errno === ENODEV) {
    return { ...denied(seen, `Make ${node} visible to the exporter (device plugin or hostPath).`), retry: true };
  }
  return { ...unsupported(seen, 'Look for xe errors in the kernel log.'), retry: true };
}

function unsupported(reason: string, fix: string): WatchSupport {
  return { request: undefined, state: 'unsupported', reason, fix, retry: false };
}

function denied(reason: string, fix: string): WatchSupport {
  return { request: undefined, state: 'denied', reason, fix, retry: false };
}

function hex(nr: number): string {
  return nr.toString(16).padStart(2, '0');
}
