import { PCI_ADDRESS } from './pci-address.js';

/** The kernel's uevents (lib/kobject_uevent.c, Linux 7.2): `action@devpath` and `KEY=value` strings, each ended by a zero byte. Pure. */
export interface Uevent {
  readonly action: string;
  /** Below /sys. */
  readonly devpath: string;
  readonly subsystem: string;
  /** True when user space asked for it (`udevadm trigger`): nothing has happened. */
  readonly synthetic: boolean;
  readonly values: ReadonlyMap<string, string>;
}

/** UEVENT_BUFFER_SIZE bytes of variables (include/linux/kobject.h) behind a devpath, which is one of the variables, too. */
const MAX_BYTES = 2 * 2048;
/** UEVENT_NUM_ENVP. */
const MAX_VARIABLES = 64;
/** The kernel writes these first and in this order. */
const FIRST = ['ACTION', 'DEVPATH', 'SUBSYSTEM'] as const;

/** Parses one payload; undefined when it is none of the kernel's, for example udev's own messages. Any bytes parse or are refused. */
export function parseUevent(bytes: Uint8Array): Uevent | undefined {
  if (bytes.length > MAX_BYTES || bytes.at(-1) !== 0) return undefined;
  const [head, ...pairs] = Buffer.from(bytes.subarray(0, -1)).toString('utf8').split('\0');
  if (pairs.length > MAX_VARIABLES) return undefined;
  const [action, devpath, subsystem] = FIRST.map((key, index) => valueOf(key, pairs[index]));
  if (action === undefined || devpath === undefined || subsystem === undefined) return undefined;
  if (!/^[a-z]{1,16}$/.test(action) || !devpath.startsWith('/') || head !== `${action}@${devpath}`) return undefined;
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const key = pair.slice(0, Math.max(at, 0));
    // A second value of a name would be a driver's, behind the core's own.
    if (key !== '' && !values.has(key)) values.set(key, pair.slice(at + 1));
  }
  return { action, devpath, subsystem, synthetic: values.has('SYNTH_UUID'), values };
}

function valueOf(key: string, pair: string | undefined): string | undefined {
  return pair?.startsWith(`${key}=`) ? pair.slice(key.length + 1) : undefined;
}

/** A PCI function as the last folder of a device path, or with only its DRM nodes below it. */
const PCI_FOLDER = new RegExp(`/(${PCI_ADDRESS})(?:/drm/|$)`);

/**
 * PCI address of the device a uevent is about; undefined for other devices below a PCI function, and for those of no bus: a
 * devcoredump is one, its `failing_device` link leads on.
 */
export function pciBdfOf({ devpath }: Uevent): string | undefined {
  return PCI_FOLDER.exec(devpath)?.[1];
}
