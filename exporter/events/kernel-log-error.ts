import { EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { onGpu } from './place.js';

/** What the driver logged as an error and no other definition knows: a newer kernel, or one we have not met. */
export const kernelLogError = define({
  name: EVENT.kernelLogError,
  counts: 'device',
  metric: METRIC.kernelLogErrors,
  severity: () => 13,
  errorType: () => 'kernel_log',
  body: (event) => `The xe driver logged an error${onGpu(event)} that this exporter does not know: see the kernel log.`,
});
