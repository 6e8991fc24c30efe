import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import type { Config } from '../../../exporter/config/schema.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import type { NativeAddon } from '../../../exporter/native/binding.js';
import { watchQueue } from '../../../exporter/sources/watch-queue/entry.js';
import { aDevice } from '../../helpers/events.js';

const nothing = (): void => undefined;

for (const [config, option] of [
  [{ mode: 'fallback', xeWatchIoctl: 'auto' }, '--mode=fallback'],
  [{ mode: 'auto', xeWatchIoctl: 'off' }, '--xe-watch-ioctl=off'],
] as const) {
  test(`with ${option} no pipe is opened, and the feature names that option`, async () => {
    const features = new FeatureBoard();
    const devices = new DeviceTable(() => [aDevice()]);
    devices.refresh();
    const source = watchQueue.open({
      config: config as unknown as Config,
      // Without a reader: opening one would throw.
      native: {} as NativeAddon,
      devices,
      clients: new ClientTable(1),
      features,
      accounting: {
        upChanged: nothing,
        restarted: nothing,
        dropped: nothing,
        queuePeak: nothing,
        attachFailed: nothing,
        moved: nothing,
      },
    });
    await source.start(nothing);
    await source.settled();
    assert.equal(source.up, false);
    assert.deepEqual(features.all(), [
      { feature: 'watch_queue', state: 'disabled', reason: `switched off by ${option}`, fix: '' },
    ]);
    await source.stop();
  });
}
