import { define } from '../definition.js';
import { gpu } from '../text/place.js';

/**
 * The firmware of the card is broken and the driver only stays to have it flashed (xe_survivability_mode.c, Linux 7.2): found at boot,
 * when there is no DRM device at all, or at run time, when the device is declared wedged as well.
 */
export const deviceSurvivabilityMode = define({
  name: 'xe.device.survivability_mode',
  summary: 'the firmware of the card is broken and has to be flashed',
  kernelLog: {
    patterns: [/^In Survivability Mode$/, /^Runtime Survivability mode enabled$/],
  },
  severity: () => 21,
  errorType: () => 'survivability_mode',
  body: (event) => `${gpu(event)} does no work, because its firmware is broken: flash it with the vendor's tool.`,
});
