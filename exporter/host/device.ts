/** One xe GPU as sysfs describes it. Immutable; a device that is unbound and bound again is a new object. */
export interface XeDevice {
  /** PCI address, e.g. `0000:03:00.0`. */
  readonly pciBdf: string;
  /** Node names below /dev/dri, e.g. `card0` and `renderD128`; undefined in boot survivability mode. */
  readonly card: string | undefined;
  readonly render: string | undefined;
  /** DRM minors of those nodes (major 226), as sysfs names them: they are not computed from the node name. */
  readonly cardMinor: number | undefined;
  readonly renderMinor: number | undefined;
  /** Hexadecimal with 0x, e.g. `0x8086` and `0xe20b`. */
  readonly vendorId: string;
  readonly deviceId: string;
  /** Name of the model, e.g. `Battlemage G21 [Arc B580]`; empty where pci.ids is missing or too old. */
  readonly model: string;
  /** Version of the xe module, or the empty string where the kernel does not report it. */
  readonly driverVersion: string;
  /** Serial number of the card, e.g. `00-00-00-ff-ff-00-00-00`; empty where the kernel or the card has none, or may not be asked. */
  readonly serial: string;
  /** PCI address of the physical function that an SR-IOV virtual function belongs to; empty for any other device. */
  readonly physicalFunction: string;
  /** -1 when the machine has one node or does not report it. */
  readonly numaNode: number;
  /**
   * Tells one bind of the driver from the next: the inode of the sysfs folder of its nodes; undefined where there is
   * none.
   */
  readonly binding: number | undefined;
}

/** As sysfs has it. */
export const INTEL_VENDOR_ID = '0x8086';

/** DRM character devices (include/drm/drm_ioctl.h). */
export const DRM_MAJOR = 226;

/** The minors of all drm nodes of these devices, both nodes of each. */
export function drmMinors(devices: readonly Pick<XeDevice, 'renderMinor' | 'cardMinor'>[]): number[] {
  return devices.flatMap(({ renderMinor, cardMinor }) =>
    [renderMinor, cardMinor].filter((minor) => minor !== undefined),
  );
}

/** A device that the driver could not bind to, or not any more: all that is known is where it is. */
export function unboundXeDevice(pciBdf: string): XeDevice {
  return Object.freeze({
    pciBdf,
    card: undefined,
    render: undefined,
    cardMinor: undefined,
    renderMinor: undefined,
    vendorId: '',
    deviceId: '',
    model: '',
    driverVersion: '',
    serial: '',
    physicalFunction: '',
    numaNode: -1,
    binding: undefined,
  });
}
