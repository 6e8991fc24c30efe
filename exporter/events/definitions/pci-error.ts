import { define } from '../definition.js';
import { gpu } from '../text/place.js';
import { sigid } from '../text/sigid.js';

/**
 * The kernel stopped the device to recover it from a PCI error (xe_pci_error.c, Linux 7.3; states 1 and 2 of include/linux/pci.h). Until
 * it is back every ioctl fails, without the uevent of a wedged device.
 */
export const pciError = define({
  name: 'xe.pci.error',
  summary: 'the kernel recovers the device from a PCI error: all jobs on it are lost',
  kernelLog: {
    patterns: [/^PCI error: (?:detected state = [12]|unknown state \d{1,10})$/, sigid(108)],
  },
  counter: {
    name: 'xe_pci_errors_total',
    help: 'PCI errors of the device that the kernel tried to recover from.',
  },
  rank: 'root',
  health: () => 'reset_needed',
  severity: () => 17,
  errorType: () => 'pci_error',
  body: (event) =>
    `The kernel recovers ${gpu(event)} from a PCI error, and all jobs on it are lost: if it happens again, check slot, power and card.`,
});

/** The recovery ended well; where the slot was reset, the driver was bound again as well. */
export const pciRecovered = define({
  name: 'xe.pci.recovered',
  summary: 'the device is back after a PCI error',
  kernelLog: {
    patterns: [/^PCI error: resume$/],
  },
  rank: 'consequence',
  health: () => 'reset_completed',
  severity: () => 9,
  body: (event) => `${gpu(event)} is back after a PCI error.`,
});
