import { ATTRIBUTE, EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { gpu } from './place.js';

/** Errors the hardware reports of itself: xe_hw_error.c, xe_ras.c, xe_amc.c (Linux 7.2). Level 4 is a corrected one. */
export const hardwareError = define({
  name: EVENT.hardwareError,
  kernelLog: {
    patterns: [
      /^\[Hardware Error\]: (?<error>.{1,200})/,
      /^\[RAS\]: (?<error>.{1,200})/,
      /^AMC Alert: (?<error>.{1,200})/,
    ],
    read: ({ error = '' }) => ({ details: { [ATTRIBUTE.kernelLogMessage]: error } }),
  },
  counts: 'device',
  metric: METRIC.hardwareErrors,
  severity: () => 17,
  errorType: () => 'hardware_error',
  body: (event) =>
    `${gpu(event)} reports a hardware error: drain the node and have the card looked at if it is not a corrected one.`,
});
