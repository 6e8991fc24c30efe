import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import type { DeviceEvent, EventRank } from '../device-event.js';
import type { HealthSignal } from '../device-health.js';
import { messageOf } from '../text/kernel-log-message.js';
import { onGpu } from '../text/place.js';
import { sigid } from '../text/sigid.js';

/**
 * Errors that only add detail to an event that has been reported already: GuC start (xe_guc.c), hardware errors (xe_hw_error.c),
 * survivability mode (xe_survivability_mode.c); Linux 6.8 to 7.2.
 */
const FOLLOW_UPS: readonly RegExp[] = [
  /^(?:GuC )?load failed: status: Reset = /,
  /^invalid key requested, header = /,
  /^(?:GuC )?firmware (?:signature verification failed|production part check failure|exception\. EIP: )/,
  /^still extracting hwconfig table\./,
  /^illegal (?:init\/ADS data|register in save\/restore|workaround KLV data|feature flag specified)/,
  /^\[Hardware Error\]: /,
  /^Firmware flash required, /,
  // Said of a start that fails, and `probe with driver xe failed` follows.
  /^Failed to initialize uC \(/,
  /^GuC firmware \S{1,120}: fetch failed with error /,
  // Linux 6.8 to 6.10 dump firmware queues, engines and VMs behind a time-out, sixty records at error level, most of them indented.
  /^\s/,
  /^(?:H2G|G2H) CTB \(all sizes in DW\)/,
  /^GuC ID: \d{1,10}$/,
  /^\w{3,6} \((?:physical|logical)\), logical instance=\d/,
  /^(?:Job|VM|HW Engines?|Contexts?|GuC CT|CT): ?\d{0,10}$/,
  /^\*{4} [\w .-]{1,40} \*{4}$/,
];

/**
 * Errors that call for action but need no metric of their own. A failed reset was counted as a GT reset when it started (xe_gt.c); the
 * device is usually declared wedged next, but not with wedged_mode 0. A firmware crash requests a GT reset (xe_guc_ct.c), which does not
 * always happen: GPUs have been seen to hang for good.
 */
const GRAVE: readonly (readonly [message: RegExp, health: HealthSignal, body: (event: DeviceEvent) => string])[] = [
  [
    /^reset failed \(/,
    'reset_failed',
    (event) =>
      `The driver could not reset a GT${onGpu(event)}: it runs no work until the driver is bound again or the node is rebooted.`,
  ],
  [
    /^GuC (?:Crash dump|Exception) notification$/,
    'reset_needed',
    (event) => `The GuC firmware${onGpu(event)} crashed: if no GT reset follows, drain the node and reset the GPU.`,
  ],
  [
    /^TLB invalidation fence timeout/,
    'fault',
    (event) =>
      `The firmware${onGpu(event)} did not answer when the driver changed GPU page tables: look for a firmware crash or a reset before it.`,
  ],
  [
    /^(?:Check job timeout: [^]{0,80}\bguc_id=0, not started|VM job timed out on non-killed execqueue|Kernel-submitted job timed out)/,
    'fault',
    (event) =>
      `A job of the driver itself${onGpu(event)} timed out: if that goes on after a reset, stop the jobs on it and bind the driver to it again.`,
  ],
];

/** Whether the line only adds detail to another event. */
export function isFollowUp(message: string): boolean {
  return FOLLOW_UPS.some((pattern) => pattern.test(message));
}

/**
 * Whatever the driver logged as an error and no other definition covers: the firmware's channel (CT, G2H), PCODE, GSC, TLB invalidation,
 * a failed reset, SR-IOV, display, probe failures, and anything a newer kernel says. The patterns are warnings of the same weight, because
 * no other event follows them: an unacknowledged suspend is why a VM gets -ETIME, and an SVM VM is killed with these words. Other
 * warnings, notices and debug messages stay in the kernel log.
 */
export const kernelLogError = define({
  name: 'xe.kernel_log.error',
  summary: 'the driver logged an error that no other event covers',
  kernelLog: {
    patterns: [
      /^Suspend fence, guc_id=\d{1,10}, failed to respond/,
      /^(?:New VMA MAP|Garbage collection) failed: /,
      /^(?:Check job timeout: [^]{0,80}\bguc_id=0, not started|VM job timed out on non-killed execqueue|Kernel-submitted job timed out)/,
      sigid(100, 104, 105),
      /^(?:PageFault|PF) Queue(?: \(\d{1,10}\))? full, shouldn't be possible/,
    ],
    read: (_groups, line) => ({ details: messageOf(line) }),
  },
  counter: {
    name: 'xe_kernel_log_unknown_errors_total',
    help: 'Errors logged by the xe driver that no other counter covers.',
  },
  rank: rankOf,
  health: (event) => grave(event)?.[1],
  severity: (event) => (grave(event) === undefined ? 13 : 17),
  errorType: () => 'kernel_log',
  body: (event) =>
    grave(event)?.[2](event) ??
    `The xe driver logged an error${onGpu(event)} that no other event covers: see the kernel log.`,
});

/** A firmware that crashed or did not suspend is what others follow from. It says that it crashed in two lines, the second of which is no news. */
function rankOf({ details }: DeviceEvent): EventRank {
  const message = String(details?.[ATTRIBUTE.kernelLogMessage] ?? '');
  if (/^(?:GuC Crash dump notification|Suspend fence, )/.test(message)) return 'root';
  return message === 'GuC Exception notification' ? 'trigger' : 'consequence';
}

function grave({ details }: DeviceEvent): (typeof GRAVE)[number] | undefined {
  const message = String(details?.[ATTRIBUTE.kernelLogMessage] ?? '');
  return GRAVE.find(([pattern]) => pattern.test(message));
}
