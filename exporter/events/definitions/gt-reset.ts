import { define } from '../definition.js';
import { onGpu } from '../text/place.js';

/**
 * The driver reset a whole GT (xe_gt.c, Linux 6.8 to 7.2): one line for each reset that started. `trying reset`, `reset queued` and
 * `reset done` add nothing; `reset failed` follows a start that was counted, and is an error of its own: see kernel-log-error.ts.
 */
export const gtReset = define({
  name: 'xe.gt.reset',
  summary: 'the driver started to reset a GT: all jobs on it are lost',
  kernelLog: {
    patterns: [/^reset started$/],
  },
  counter: {
    name: 'xe_gt_resets_total',
    help: 'GT resets started by the driver.',
  },
  severity: () => 17,
  errorType: () => 'gt_reset',
  body: (event) => `The driver is resetting a GT${onGpu(event)}: all jobs on it are lost.`,
});
