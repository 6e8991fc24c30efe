import { EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { gpu } from './place.js';

/** The firmware that schedules all work did not start (xe_guc.c, xe_uc_fw.c, Linux 7.2): the device is of no use. */
export const gucLoadFailure = define({
  name: EVENT.gucLoadFailure,
  kernelLog: {
    patterns: [
      /^load failed: status = 0x[0-9A-Fa-f]+, time = /,
      /^GuC init failed with /,
      /^Failed to load GuC firmware /,
    ],
  },
  counts: 'device',
  metric: METRIC.gucLoadFailures,
  severity: () => 21,
  errorType: () => 'guc_load_failure',
  body: (event) =>
    `The GuC firmware of ${gpu(event)} did not load: check the version of linux-firmware and the kernel log.`,
});
