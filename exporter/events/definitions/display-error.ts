import { define } from '../definition.js';
import { onGpu } from '../text/place.js';

/**
 * Errors of the display code, which xe shares with i915 (drivers/gpu/drm/i915/display). A healthy laptop has a hundred of them at each
 * boot, they stop no job, and nobody is to be woken for them: they are counted and not logged.
 */
export const displayError = define({
  name: 'xe.display.error',
  summary: 'an error of a display output, which no job notices; counted, not logged',
  kernelLog: {
    level: 3,
    patterns: [
      // What an object of the display says of itself: CRTC, ENCODER, CONNECTOR, PLANE, and DP links.
      /^\[(?:CRTC|ENCODER|CONNECTOR|PLANE|MST|DPRX|DPLL|PIPE)\b/,
      /^(?:CPU |PCH )?(?:pipe|transcoder|plane|port|PHY|DDI|DPLL|DSB|DMC|PSR|HDCP|HDMI|eDP|DP|AUX|TC port|dbuf|CDCLK|VBT|FBC|LSPCON|DSI)\b/i,
      /\b(?:FIFO underrun|PSR Idle|flip_done timed out|CDCLK PLL|DC state mismatch|power well|link training|source OUI|link info|panel power|backlight|vblank|DDI[ _]?[A-I]|EDID|hotplug|DMC firmware)\b/i,
    ],
  },
  counter: {
    name: 'xe_display_errors_total',
    help: 'Errors of display outputs of the device, which no job notices.',
  },
  logged: false,
  severity: () => 9,
  body: (event) => `A display output${onGpu(event)} had an error.`,
});
