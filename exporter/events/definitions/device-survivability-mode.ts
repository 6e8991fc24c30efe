import { define } from '../definition.js';
import { gpu } from '../text/place.js';
import { sigid } from '../text/sigid.js';

/**
 * The firmware of the device is corrupt, and the driver stays only so that it can be flashed (xe_survivability_mode.c, Linux 7.2).
 * Found at boot, when there is no DRM device at all, or at run time, when the device is declared wedged as well.
 */
export const deviceSurvivabilityMode = define({
  name: 'xe.device.survivability_mode',
  summary: 'the firmware of the device is corrupt: the device can only be flashed',
  kernelLog: {
    patterns: [/^In Survivability Mode$/, /^Runtime Survivability mode enabled$/, sigid(103)],
  },
  rank: 'consequence',
  health: () => 'survivability',
  severity: () => 21,
  errorType: () => 'survivability_mode',
  body: (event) => `${gpu(event)} runs no work because its firmware is corrupt: flash it with the vendor's tool.`,
});
