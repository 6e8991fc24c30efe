import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import type { DeviceEvent } from '../device-event.js';
import { messageOf } from '../text/kernel-log-message.js';
import { onGpu } from '../text/place.js';

/**
 * The driver reset a whole GT (xe_gt.c, Linux 6.8 to 7.3): one line for each reset that started. `reset failed` follows a start that was
 * counted, and is an error of its own: see kernel-log-error.ts.
 */
export const gtReset = define({
  name: 'xe.gt.reset',
  summary: 'the driver started to reset a GT: all jobs on it are lost',
  kernelLog: {
    patterns: [/^reset started$/],
  },
  counter: {
    name: 'xe_gt_resets_total',
    help: 'GT resets started by the driver.',
  },
  rank: 'consequence',
  health: () => 'reset_started',
  severity: () => 17,
  errorType: () => 'gt_reset',
  body: (event) => `The driver is resetting ${gtOf(event)}${onGpu(event)}: all jobs on it are lost.`,
});

/**
 * Something asked for a reset: `trying reset from` up to Linux 7.2, where `reset queued` follows and adds nothing; in 7.3 that line is
 * gone and the other names who asked. A GPU that hangs for good repeats it thousands of times a second and never starts the reset.
 */
export const gtResetAttempt = define({
  name: 'xe.gt.reset.attempt',
  summary: 'something asked the driver to reset a GT',
  kernelLog: {
    patterns: [/^trying reset from \S/, /^reset queued from \S/],
    read: (_groups, text) => ({ details: messageOf(text) }),
  },
  counter: {
    name: 'xe_gt_reset_attempts_total',
    help: 'Requests to reset a GT, also of a reset that never starts.',
  },
  rank: 'consequence',
  health: () => 'reset_needed',
  severity: () => 9,
  body: (event) => `Something asked the driver to reset ${gtOf(event)}${onGpu(event)}.`,
});

/** The reset ended well: the GT takes work again. */
export const gtResetCompleted = define({
  name: 'xe.gt.reset.completed',
  summary: 'a reset of a GT completed: it takes work again',
  kernelLog: {
    patterns: [/^reset done$/],
  },
  counter: {
    name: 'xe_gt_resets_completed_total',
    help: 'GT resets that completed.',
  },
  rank: 'consequence',
  health: () => 'reset_completed',
  severity: () => 9,
  body: (event) => `The driver has reset ${gtOf(event)}${onGpu(event)}: it takes work again.`,
});

/** GT 1 of a tile has the media engines on GPUs that have two (xe_gt_types.h, Linux 7.3); older kernels do not say which GT it is. */
function gtOf({ details }: DeviceEvent): string {
  const gt = details?.[ATTRIBUTE.gtId];
  if (gt === undefined) return 'a GT';
  return gt === 1 ? 'GT1 (media, on GPUs with two GTs)' : `GT${gt}`;
}
