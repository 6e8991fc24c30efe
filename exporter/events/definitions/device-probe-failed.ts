import { define } from '../definition.js';
import { errnoName } from '../../wire/errno.js';
import { gpu } from '../text/place.js';
import { sigid } from '../text/sigid.js';

/**
 * The driver did not come up on a device (drivers/base/dd.c, Linux 6.8 to 7.3): it has a PCI address and no nodes. What went wrong stands
 * in the lines before.
 */
export const deviceProbeFailed = define({
  name: 'xe.device.probe_failed',
  summary: 'the driver did not start on the device: it has no nodes, and no job can use it',
  kernelLog: {
    patterns: [/^probe with driver xe failed with error (?<errorCode>-[1-9]\d{0,3})$/, sigid(101)],
    read: ({ errorCode = '0' }) => ({ errorCode: Number(errorCode) }),
  },
  counter: {
    name: 'xe_device_probe_failures_total',
    help: 'Times the driver did not start on the device.',
  },
  rank: 'consequence',
  health: () => 'not_started',
  severity: () => 17,
  errorType: ({ errorCode }) => (errorCode === 0 ? 'probe_failed' : errnoName(errorCode)),
  body: (event) =>
    `The xe driver did not start on ${gpu(event)}${event.errorCode === 0 ? '' : ` (${errnoName(event.errorCode)})`}, so no job can use it: its first error in the kernel log says why.`,
});
