import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { onGpu } from '../text/place.js';

/**
 * Catastrophic memory error: a queue used an address that translates to nothing (xe_guc_submit.c, Linux 7.2). Linux 6.12 writes `cat
 * error: engine_class=`, the first versions only guc_id, and both at debug level: seen only where that is on.
 */
export const memoryCatError = define({
  name: 'xe.memory_cat_error',
  summary: 'a queue used memory that is not mapped',
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
  counter: {
    name: 'xe_memory_cat_errors_total',
    help: 'Catastrophic memory errors: accesses to unmapped GPU addresses.',
  },
  severity: () => 17,
  errorType: () => 'memory_cat_error',
  body: (event) =>
    `A queue${onGpu(event)} used an address that is not mapped, and was stopped: look for a bug in the application, or memory that was taken from it.`,
});
