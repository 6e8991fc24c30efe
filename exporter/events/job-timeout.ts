import { ATTRIBUTE, EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { onGpu } from './place.js';

/**
 * A job of a process ran for longer than its queue allows (xe_guc_submit.c, Linux 7.2). Name and pid are those of the process
 * that opened the file; "no process" and -1 when the kernel knows none.
 */
export const jobTimeout = define({
  name: EVENT.jobTimeout,
  kernelLog: {
    patterns: [
      /^Timedout job: seqno=\d+, lrc_seqno=\d+, guc_id=(?<guc>\d+), flags=0x[0-9a-f]+ in (?<comm>.*) \[(?<pid>-?\d+)\]$/,
    ],
    read: ({ guc, comm = '', pid }) => ({
      details: {
        [ATTRIBUTE.gucId]: Number(guc),
        ...(Number(pid) > 0 && { [ATTRIBUTE.pid]: Number(pid), ...(comm !== '' && { [ATTRIBUTE.executable]: comm }) }),
      },
    }),
  },
  ofClient: true,
  counts: 'device',
  metric: METRIC.jobTimeouts,
  severity: () => 17,
  errorType: () => 'job_timeout',
  body: (event) =>
    `A job${onGpu(event)} did not end in time and was stopped: look for a hang in the application before the hardware is suspected.`,
});
