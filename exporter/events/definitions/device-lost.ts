import { define } from '../definition.js';
import { gpu } from '../text/place.js';

/**
 * The device does not answer on the bus: every register reads all ones. Said by the PCI core when it cannot wake the device
 * (drivers/pci/pci.c), by the driver when a register has that value (xe_force_wake.c, display code), and by the PCI error recovery of
 * Linux 7.3 (xe_pci_error.c; state 3 is permanent failure, include/linux/pci.h). Whatever else the driver reads then is wrong, too:
 * it takes such a device for a virtual function.
 */
export const deviceLost = define({
  name: 'xe.device.lost',
  summary: 'the device does not answer on the PCIe bus any more',
  kernelLog: {
    patterns: [
      /^Unable to change power state from \S{1,16} to D0, device inaccessible$/,
      /^Force wake domain \d{1,3}\b[^]{0,80}MMIO unreliable/,
      /\bGDRST ?= ?0xffffffff\b/i,
      /^Writing dc state to 0x[0-9a-f]{1,8} failed, now 0xffffffff$/,
      /^PCI error: detected state = 3$/,
      /^Cannot re-enable PCI device after reset$/,
    ],
  },
  // Whoever reads a register next finds the same.
  merging: { waitMs: 1_000, by: 'until_bound' },
  rank: 'root',
  health: () => 'off_bus',
  severity: () => 21,
  errorType: () => 'device_lost',
  body: (event) =>
    `${gpu(event)} does not answer on the PCIe bus: move the jobs away, power-cycle the node, and check power, slot and card if it stays away; whatever the driver says of it after this is a consequence.`,
});
