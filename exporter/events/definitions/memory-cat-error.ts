import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { onGpu } from '../text/place.js';
import { aJob } from '../text/victim.js';

/**
 * Catastrophic memory error: an exec queue used an address that has no translation (xe_guc_submit.c, Linux 7.2). Linux 6.12 writes `cat
 * error: engine_class=`, the first versions only guc_id, and both at debug level: visible only where that is switched on.
 */
export const memoryCatError = define({
  name: 'xe.memory_cat_error',
  summary: 'a job accessed an unmapped GPU address and was stopped',
  kernelLog: {
    patterns: [
      /^Engine memory (?:CAT|cat) error(?: \[\d{1,10}\])?: (?:(?:engine_)?class=(?<engine>\w{1,16}), logical_mask: 0x[0-9a-f]{1,8}, )?guc_id=(?<guc>\d{1,10})(?!\w)/,
      /^Memory CAT error reported by GuC!/,
    ],
    read: ({ engine, guc }) => ({
      details: {
        ...(guc !== undefined && { [ATTRIBUTE.gucId]: Number(guc) }),
        ...(engine !== undefined && { [ATTRIBUTE.engineClass]: engine }),
      },
    }),
  },
  ofClient: true,
  fault: 'memory_cat_error',
  counter: {
    name: 'xe_memory_cat_errors_total',
    help: 'Catastrophic memory errors: accesses to unmapped GPU addresses.',
  },
  rank: 'trigger',
  severity: () => 17,
  errorType: () => 'memory_cat_error',
  body: (event) =>
    `${aJob(event)}${onGpu(event)} accessed an unmapped GPU address and was stopped: look for use of unmapped or freed memory in the application.`,
});
