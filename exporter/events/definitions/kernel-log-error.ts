import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import type { DeviceEvent } from '../device-event.js';
import { messageOf } from '../text/kernel-log-message.js';
import { onGpu } from '../text/place.js';

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

/**
 * Errors that mean more than that somebody should look, of which no metric of their own would tell more. A failed reset was counted
 * as a GT reset when it started (xe_gt.c); a wedged device mostly follows, but not where wedged_mode is 0. A firmware crash asks for a
 * GT reset (xe_guc_ct.c), which does not always come: such a GPU was seen to hang for good.
 */
const GRAVE: readonly (readonly [message: RegExp, body: (event: DeviceEvent) => string])[] = [
  [
    /^reset failed \(/,
    (event) =>
      `A GT${onGpu(event)} could not be reset: it does no work until the driver is bound again or the node rebooted.`,
  ],
  [
    /^GuC (?:Crash dump|Exception) notification$/,
    (event) =>
      `The GuC firmware${onGpu(event)} crashed: the driver resets the GT; if no GT reset is told, drain the node and reset the GPU.`,
  ],
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
  name: 'xe.kernel_log.error',
  summary: 'the driver logged an error that is none of the above',
  kernelLog: {
    patterns: [
      /^Suspend fence, guc_id=\d{1,10}, failed to respond/,
      /^(?:New VMA MAP|Garbage collection) failed: /,
      /^(?:PageFault|PF) Queue(?: \(\d{1,10}\))? full, shouldn't be possible/,
    ],
    read: (_groups, line) => ({ details: messageOf(line) }),
  },
  counter: {
    name: 'xe_kernel_log_unknown_errors_total',
    help: 'Errors logged by the xe driver that no other counter covers.',
  },
  severity: (event) => (grave(event) === undefined ? 13 : 17),
  errorType: () => 'kernel_log',
  body: (event) =>
    grave(event)?.(event) ??
    `The xe driver logged an error${onGpu(event)} that has no event of its own: see the kernel log.`,
});

function grave({ details }: DeviceEvent): ((event: DeviceEvent) => string) | undefined {
  const message = String(details?.[ATTRIBUTE.kernelLogMessage] ?? '');
  return GRAVE.find(([pattern]) => pattern.test(message))?.[1];
}
