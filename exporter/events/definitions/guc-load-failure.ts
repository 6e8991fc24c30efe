import { define } from '../definition.js';
import { gpu } from '../text/place.js';

/**
 * The firmware that schedules all work did not start: the device is of no use. Each pattern is another stage of it (xe_guc.c: a missing
 * file and the set-up, the start; xe_uc_fw.c: the transfer), so that one failure makes one event. Linux 6.8 said `GuC load failed`.
 */
export const gucLoadFailure = define({
  name: 'xe.guc.load_failure',
  summary: 'the GuC firmware did not load, the device is of no use',
  kernelLog: {
    patterns: [
      /^(?:GuC )?load failed: status = 0x[0-9A-Fa-f]{1,8}(?!\w)/,
      /^GuC init failed with /,
      /^Failed to load GuC firmware /,
    ],
  },
  counter: {
    name: 'xe_guc_load_failures_total',
    help: 'Failed attempts to load the GuC firmware.',
  },
  severity: () => 21,
  errorType: () => 'guc_load_failure',
  body: (event) =>
    `The GuC firmware of ${gpu(event)} did not load: check the version of linux-firmware and the kernel log.`,
});
