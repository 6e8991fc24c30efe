import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { onGpu } from '../text/place.js';
import { aJob } from '../text/victim.js';
import { sigid } from '../text/sigid.js';

/**
 * A job ran for longer than its queue allows (xe_guc_submit.c). Name and pid are those of the process that opened the file, `no process`
 * and -1 when the kernel knows none; kernels before 6.12 may omit them. A name can contain anything, even text that looks like the line:
 * the last ` [pid]` is the kernel's. Where syslog(2) broke the line at a newline in the name, neither is known.
 */
export const jobTimeout = define({
  name: 'xe.job.timeout',
  summary: 'a job timed out and was stopped',
  kernelLog: {
    patterns: [
      /^Timedout job: seqno=\d{1,10}, (?:lrc_seqno=\d{1,10}, )?guc_id=(?<guc>\d{1,10}), flags=0x[0-9a-f]{1,16}(?:$| in (?:(?<comm>[^]{0,64}) \[(?<pid>-?\d{1,10})\]$)?)/,
      sigid(106),
    ],
    read: ({ guc, comm = '', pid }) => ({
      details: {
        ...(guc !== undefined && { [ATTRIBUTE.gucId]: Number(guc) }),
        ...(Number(pid) > 0 && { [ATTRIBUTE.pid]: Number(pid), ...(comm !== '' && { [ATTRIBUTE.executable]: comm }) }),
      },
    }),
  },
  ofClient: true,
  fault: 'job_timeout',
  counter: {
    name: 'xe_job_timeouts_total',
    help: 'GPU jobs that timed out and were stopped by the driver.',
  },
  rank: 'hang',
  // The queue of the driver itself, which no process has opened.
  health: ({ details }) =>
    details?.[ATTRIBUTE.gucId] === 0 && details[ATTRIBUTE.pid] === undefined ? 'fault' : undefined,
  severity: () => 17,
  errorType: () => 'job_timeout',
  body: (event) =>
    `${aJob(event)}${onGpu(event)} timed out and was stopped: look for a hang in the application before you suspect the hardware.`,
});
