import { EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { messageOf } from './kernel-log-message.js';
import { onGpu } from './place.js';

/**
 * Errors that only go on about what an event has told already: they are not news. GuC start (xe_guc.c), details of a hardware error
 * (xe_hw_error.c), survivability mode (xe_survivability_mode.c); Linux 6.8 to 7.2.
 */
const FOLLOW_UPS: readonly RegExp[] = [
  /^(?:GuC )?load failed: status: Reset = /,
  /^invalid key requested, header = /,
  /^(?:GuC )?firmware (?:signature verification failed|production part check failure|exception\. EIP: )/,
  /^still extracting hwconfig table\./,
  /^illegal (?:init\/ADS data|register in save\/restore|workaround KLV data|feature flag specified)/,
  /^\[Hardware Error\]: /,
  /^Firmware flash required, /,
];

/** Whether a line that is no event of its own belongs to one that is. */
export function isFollowUp(message: string): boolean {
  return FOLLOW_UPS.some((pattern) => pattern.test(message));
}

/**
 * What the driver logged as an error and no other definition tells: the firmware's channel (CT, G2H), PCODE, GSC, TLB invalidation, a
 * failed reset, SR-IOV, display, probe failures, and whatever a newer kernel says. The patterns are the warnings that deserve the same
 * because nothing follows them that is told: a suspend that was not acknowledged is why a VM gets -ETIME, and a VM of the SVM
 * kind is killed with these words. Other warnings, notices and debug messages are left to the kernel log.
 */
export const kernelLogError = define({
  name: EVENT.kernelLogError,
  summary: 'the driver logged an error that is none of the above',
  kernelLog: {
    patterns: [
      /^Suspend fence, guc_id=\d{1,10}, failed to respond/,
      /^(?:New VMA MAP|Garbage collection) failed: /,
      /^(?:PageFault|PF) Queue(?: \(\d{1,10}\))? full, shouldn't be possible/,
    ],
    read: (_groups, line) => ({ details: messageOf(line) }),
  },
  counts: 'device',
  metric: METRIC.kernelLogErrors,
  severity: () => 13,
  errorType: () => 'kernel_log',
  body: (event) => `The xe driver logged an error${onGpu(event)} that has no event of its own: see the kernel log.`,
});
