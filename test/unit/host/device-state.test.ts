import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDeviceState } from '../../../exporter/host/device-state.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';

const BDF = '0000:03:00.0';

test('a device sleeps when the kernel says so, and is awake whatever else it says', (t) => {
  const tree = new FixtureTree(t);
  const expected = {
    suspended: true,
    suspending: true,
    active: false,
    resuming: false,
    unsupported: false,
    error: false,
  };
  for (const [status, suspended] of Object.entries(expected)) {
    tree.file(`bus/pci/devices/${BDF}/power/runtime_status`, `${status}\n`);
    assert.equal(readDeviceState(tree.root, BDF).suspended, suspended, status);
  }
  tree.remove(`bus/pci/devices/${BDF}/power`);
  assert.equal(readDeviceState(tree.root, BDF).suspended, false);
});

test('survivability mode is the presence of a file', (t) => {
  const tree = new FixtureTree(t);
  tree.directory(`bus/pci/devices/${BDF}`);
  assert.equal(readDeviceState(tree.root, BDF).inSurvivability, false);
  tree.file(`bus/pci/devices/${BDF}/survivability_mode`, 'Boot\n');
  assert.equal(readDeviceState(tree.root, BDF).inSurvivability, true);
});

test('the autosuspend delay, 0 where the device is never put to sleep', (t) => {
  const tree = new FixtureTree(t);
  const delay = (content: string): number => {
    tree.file(`bus/pci/devices/${BDF}/power/autosuspend_delay_ms`, content);
    return readDeviceState(tree.root, BDF).autosuspendDelayMs;
  };
  assert.equal(delay('1000\n'), 1000);
  for (const content of ['-1\n', '', 'x', '0\n']) assert.equal(delay(content), 0);
  assert.equal(readDeviceState('/nonexistent', BDF).autosuspendDelayMs, 0);
});
