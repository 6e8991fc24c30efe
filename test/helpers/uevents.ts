/** A payload as the kernel makes it: head, ACTION, DEVPATH and SUBSYSTEM, what the event adds, SEQNUM. */
export function ueventBytes(action: string, devpath: string, subsystem: string, ...more: string[]): Uint8Array {
  const first = [`${action}@${devpath}`, `ACTION=${action}`, `DEVPATH=${devpath}`, `SUBSYSTEM=${subsystem}`];
  return Buffer.from([...first, ...more, 'SEQNUM=5973'].map((text) => `${text}\0`).join(''));
}

const GPU = '/devices/pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0/0000:03:00.0';
const GPU_KEYS = [
  'PCI_CLASS=38000',
  'PCI_ID=8086:E20B',
  'PCI_SUBSYS_ID=8086:1100',
  'PCI_SLOT_NAME=0000:03:00.0',
  'MODALIAS=pci:v00008086d0000E20Bsv00008086sd00001100bc03sc80i00',
];

/** What a node with a B580 sends; wedged is the one in the kernel's documentation of runtime survivability mode. */
export const UEVENT = {
  wedged: ueventBytes(
    'change',
    `${GPU}/drm/card0`,
    'drm',
    'WEDGED=vendor-specific',
    'MAJOR=226',
    'MINOR=0',
    'DEVNAME=dri/card0',
    'DEVTYPE=drm_minor',
  ),
  coredump: ueventBytes('add', '/devices/virtual/devcoredump/devcd3', 'devcoredump'),
  bind: ueventBytes('bind', GPU, 'pci', 'DRIVER=xe', ...GPU_KEYS),
  // Without DRIVER and MODALIAS: the device has forgotten its driver when it says so, and the kernel drops the other.
  unbind: ueventBytes('unbind', GPU, 'pci', ...GPU_KEYS.slice(0, -1)),
  drmAdd: ueventBytes(
    'add',
    `${GPU}/drm/renderD128`,
    'drm',
    'MAJOR=226',
    'MINOR=128',
    'DEVNAME=dri/renderD128',
    'DEVTYPE=drm_minor',
  ),
} as const;
