import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { onGpu } from '../text/place.js';
import { theJob } from '../text/victim.js';

/** The firmware reset an engine to stop a job (xe_guc_submit.c). In Linux 7.x the line ends with a state; in the first versions of xe it had only guc_id. */
export const engineReset = define({
  name: 'xe.engine.reset',
  summary: 'an engine was reset to stop a job',
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
  ofClient: true,
  fault: 'engine_reset',
  counter: {
    name: 'xe_engine_resets_total',
    help: 'Engine resets by the firmware, each to stop a job.',
  },
  rank: 'consequence',
  severity: () => 13,
  errorType: () => 'engine_reset',
  body: (event) =>
    `An engine${onGpu(event)} was reset to stop ${theJob(event)}: that job is lost, the others continue.`,
});
