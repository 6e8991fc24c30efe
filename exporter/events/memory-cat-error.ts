import { ATTRIBUTE, EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { onGpu } from './place.js';

/** Catastrophic memory error: a queue used an address that translates to nothing (xe_guc_submit.c, Linux 7.2). */
export const memoryCatError = define({
  name: EVENT.memoryCatError,
  kernelLog: {
    patterns: [
      /^Engine memory CAT error(?: \[\d+\])?: class=(?<engine>\w{1,16}), logical_mask: 0x[0-9a-f]+, guc_id=(?<guc>\d+)/,
      /^Memory CAT error reported by GuC!/,
    ],
    read: ({ engine, guc }) =>
      engine === undefined ? {} : { details: { [ATTRIBUTE.engineClass]: engine, [ATTRIBUTE.gucId]: Number(guc) } },
  },
  counts: 'device',
  metric: METRIC.memoryCatErrors,
  severity: () => 17,
  errorType: () => 'memory_cat_error',
  body: (event) =>
    `A queue${onGpu(event)} used an address that is not mapped, and was stopped: the application has a bug.`,
});
