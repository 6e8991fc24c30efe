import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modeLine } from '../../../exporter/app/mode.js';
import { FEATURES, type FeatureName } from '../../../exporter/names.js';

const line = (...active: FeatureName[]): string =>
  modeLine(
    FEATURES.map((feature) => ({
      feature,
      state: active.includes(feature) ? 'active' : 'denied',
      reason: feature === 'trace' ? 'it names everybody' : '',
      fix: '',
    })),
    1,
  );

test('a node without a device is idle, whatever works on it', () => {
  assert.equal(modeLine([], 0), 'this node has no xe device: idle until one appears');
});

test('the best source of rebind errors is named first, and what is not seen is said', () => {
  assert.match(
    line('watch_queue', 'kmsg', 'uevent'),
    /^VM rebind errors come from the watch queue, .* kernel log, .* uevents$/,
  );
  assert.match(line('watch_queue'), /from the watch queue.*page faults are not seen/);
  assert.match(
    line('trace', 'kmsg', 'uevent'),
    /^VM rebind errors come from the kernel log and the trace of the driver: it names everybody; resets/,
  );
  assert.match(line('trace'), /^VM rebind errors come from the trace of the driver, without the error code: it names/);
  assert.match(line('watch_queue', 'trace'), /^VM rebind errors come from the watch queue/);
  assert.match(line('kmsg', 'uevent'), /^VM rebind errors come from the kernel log, which names no process/);
  assert.match(line('uevent'), /^VM rebind errors are not seen on this node/);
});
