import { ATTRIBUTE, EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';
import { gpu } from './place.js';

/** WEDGED= of the uevent: recovery methods, the mildest first; xe sends one of these (drivers/gpu/drm/drm_drv.c, Linux 7.2). */
const RECOVERY = /^[a-z-]{1,32}(?:,[a-z-]{1,32}){0,7}$/;

/**
 * The driver gave the device up: every ioctl fails until it is bound anew. The uevent can repeat for one wedging, and the kernel
 * log says it too (xe_device.c, Linux 7.2).
 */
export const deviceWedged = define({
  name: EVENT.deviceWedged,
  kernelLog: {
    patterns: [/^CRITICAL: Xe has declared device \S+ as wedged\./],
  },
  uevent: {
    read({ action, subsystem, values }) {
      const methods = values.get('WEDGED');
      if (action !== 'change' || subsystem !== 'drm' || methods === undefined) return undefined;
      return RECOVERY.test(methods) ? { details: { [ATTRIBUTE.deviceRecovery]: methods } } : {};
    },
  },
  counts: 'wedged',
  metric: METRIC.deviceWedgedEvents,
  severity: () => 21,
  errorType: () => 'wedged',
  body(event) {
    const methods = event.details?.[ATTRIBUTE.deviceRecovery];
    const advice =
      ADVICE.find(([method]) => String(methods ?? '').includes(method))?.[1] ?? 'drain the node and reset the GPU';
    return `${gpu(event)} is wedged and refuses all work until it is recovered: ${advice}.`;
  },
});

const ADVICE: readonly (readonly [method: string, advice: string])[] = [
  ['vendor-specific', 'its firmware has to be flashed'],
  ['rebind', 'unbind and bind the xe driver, and reset the bus if that does not help'],
  ['bus-reset', 'reset the bus it is on, or reboot the node'],
  ['none', 'the driver was told to leave it for debugging (wedged_mode 2)'],
];
