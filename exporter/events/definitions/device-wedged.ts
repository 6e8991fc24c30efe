import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { gpu } from '../text/place.js';
import { sigid } from '../text/sigid.js';

/** WEDGED= of the uevent: recovery methods, the mildest first; xe sends one of these (drivers/gpu/drm/drm_drv.c, Linux 7.2). */
const RECOVERY = /^[a-z-]{1,32}(?:,[a-z-]{1,32}){0,7}$/;

/**
 * The driver declared the device wedged: every ioctl fails until it is bound again (xe_device.c). Linux 6.12 says so in the kernel log
 * only, 7.2 also by a uevent, which can repeat for one wedging. The DRM core adds `device wedged, needs recovery`, which says no more.
 */
export const deviceWedged = define({
  name: 'xe.device.wedged',
  summary: 'the driver declared the device wedged: it rejects all work until it is recovered',
  kernelLog: {
    patterns: [/^CRITICAL: Xe has declared device \S{1,64} as wedged\./, sigid(102)],
  },
  uevent: {
    read({ action, subsystem, values }) {
      const methods = values.get('WEDGED');
      if (action !== 'change' || subsystem !== 'drm' || values.get('DEVTYPE') !== 'drm_minor') return undefined;
      if (methods === undefined) return undefined;
      return RECOVERY.test(methods) ? { details: { [ATTRIBUTE.deviceRecovery]: methods } } : {};
    },
  },
  merging: { waitMs: 1_000, by: 'until_bound' },
  counter: {
    // Not xe_device_wedged_total: in OpenMetrics a counter's family is its name without _total, and the gauge has that one.
    name: 'xe_device_wedged_events_total',
    help: 'Times the driver declared the device wedged; repeated notices of one wedging count once.',
  },
  rank: 'consequence',
  health: () => 'wedged',
  severity: () => 21,
  errorType: () => 'wedged',
  body(event) {
    const methods = event.details?.[ATTRIBUTE.deviceRecovery];
    const advice =
      ADVICE.find(([method]) => String(methods ?? '').includes(method))?.[1] ?? 'drain the node and reset the GPU';
    return `${gpu(event)} is wedged and rejects all work until it is recovered: ${advice}.`;
  },
});

const ADVICE: readonly (readonly [method: string, advice: string])[] = [
  ['vendor-specific', 'flash its firmware'],
  ['rebind', 'unbind and rebind the xe driver, and reset the bus if that does not help'],
  ['bus-reset', 'reset its bus, or reboot the node'],
  ['none', 'the driver is configured to leave it for debugging (wedged_mode 2)'],
];
