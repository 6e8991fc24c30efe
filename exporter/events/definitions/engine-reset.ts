import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { onGpu } from '../text/place.js';

/** The firmware reset an engine to get rid of a job (xe_guc_submit.c). Linux 7.x ends with a state, the first versions of xe had only guc_id. */
export const engineReset = define({
  name: 'xe.engine.reset',
  summary: 'an engine was reset to get rid of a job',
  kernelLog: {
    patterns: [
      /^Engine reset: (?:engine_class=(?<engine>\w{1,16}), )?(?:logical_mask: 0x[0-9a-f]{1,8}, )?guc_id=(?<guc>\d{1,10})(?!\w)/,
    ],
    read: ({ engine, guc }) => ({
      details: {
        [ATTRIBUTE.gucId]: Number(guc),
        ...(engine !== undefined && { [ATTRIBUTE.engineClass]: engine }),
      },
    }),
  },
  counter: {
    name: 'xe_engine_resets_total',
    help: 'Engine resets.',
  },
  severity: () => 13,
  errorType: () => 'engine_reset',
  body: (event) => `An engine${onGpu(event)} was reset to get rid of a job: that job is lost, the others go on.`,
});
