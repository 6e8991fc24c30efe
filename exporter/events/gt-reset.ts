import { EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { onGpu } from './place.js';

/** The driver reset a whole GT (xe_gt.c, Linux 7.2): once for each reset that began, whatever became of it. */
export const gtReset = define({
  name: EVENT.gtReset,
  kernelLog: {
    patterns: [/^reset started$/],
  },
  counts: 'device',
  metric: METRIC.gtResets,
  severity: () => 17,
  errorType: () => 'gt_reset',
  body: (event) => `The driver resets a GT${onGpu(event)}: all jobs that ran there are lost.`,
});
