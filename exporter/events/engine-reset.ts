import { ATTRIBUTE, EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { onGpu } from './place.js';

/** The firmware reset an engine to get rid of a job (xe_guc_submit.c, Linux 7.2). */
export const engineReset = define({
  name: EVENT.engineReset,
  kernelLog: {
    patterns: [/^Engine reset: engine_class=(?<engine>\w{1,16}), logical_mask: 0x[0-9a-f]+, guc_id=(?<guc>\d+)/],
    read: ({ engine = '', guc }) => ({ details: { [ATTRIBUTE.engineClass]: engine, [ATTRIBUTE.gucId]: Number(guc) } }),
  },
  counts: 'device',
  metric: METRIC.engineResets,
  severity: () => 13,
  errorType: () => 'engine_reset',
  body: (event) => `An engine${onGpu(event)} was reset to get rid of a job: that job is lost, the others go on.`,
});
