import { define } from '../definition.js';
import { onGpu } from '../text/place.js';

/**
 * The firmware that schedules all work did not start, so the device cannot run any. Each pattern is a stage of the start (xe_guc.c: a
 * missing file, the set-up, the start itself; xe_uc_fw.c: the transfer), so that one failure makes one event. Linux 6.8 said `GuC load
 * failed`.
 */
export const gucLoadFailure = define({
  name: 'xe.guc.load_failure',
  summary: 'the GuC firmware did not load: the device cannot run any work',
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
  rank: 'root',
  severity: () => 21,
  errorType: () => 'guc_load_failure',
  body: (event) =>
    `The GuC firmware${onGpu(event)} did not load, so no work can run: check the linux-firmware version and the kernel log.`,
});
