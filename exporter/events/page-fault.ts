import { ATTRIBUTE, EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { onGpu } from './place.js';

/** The GPU touched memory that nobody has mapped, and the driver could not help (xe_pagefault.c, Linux 7.2). */
export const pageFault = define({
  name: EVENT.pageFault,
  kernelLog: {
    patterns: [/^Fault response: Unsuccessful (?<error>\S{1,32})/],
    read: ({ error = '' }) => ({ details: { [ATTRIBUTE.kernelLogError]: error } }),
  },
  counts: 'device',
  metric: METRIC.pageFaultsUnserviced,
  severity: () => 17,
  errorType: () => 'page_fault',
  body: (event) => `A page fault${onGpu(event)} could not be served: the application used memory it has not mapped.`,
});
