import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../exporter/config/schema.js';
import { Decoder } from '../../../exporter/pipeline/decode/decoder.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { eventDefinitions } from '../../../exporter/events/index.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { kmsg } from '../../../exporter/sources/kernel-log/source.js';
import { uevent } from '../../../exporter/sources/uevent/source.js';
import { SimulatedDevices } from '../../../exporter/simulator/simulated-devices.js';
import { SimulatedKernel } from '../../../exporter/simulator/simulated-kernel.js';
import { EVENT } from '../../../exporter/events/index.js';
import { ATTRIBUTE } from '../../../exporter/names.js';
import { waitFor } from '../../helpers/wait-for.js';
import { addon } from '../../helpers/watched-node.js';

test('what the simulated kernel says comes through the real sources as events of its devices', async (t) => {
  const kernel = new SimulatedKernel(addon);
  const bus = new SimulatedDevices();
  const nothing = () => undefined;
  const devices = new DeviceTable(() => bus.list());
  devices.refresh();
  const events: DeviceEvent[] = [];
  const decoder = new Decoder(eventDefinitions, { received: nothing, dropped: () => assert.fail() });
  const config = { kmsg: 'auto', uevent: 'auto', devRoot: '/nowhere', procRoot: '/nowhere', sysRoot: '/nowhere' };
  for (const { name, open } of [kmsg, uevent]) {
    const source = open({
      config: { ...config, readerQueueBytes: 1 << 20 } as Config,
      native: kernel.native,
      devices,
      clients: new ClientTable(1),
      features: new FeatureBoard(),
      accounting: {
        upChanged: nothing,
        restarted: () => assert.fail(),
        dropped: () => assert.fail(),
        queuePeak: nothing,
        attachFailed: nothing,
        moved: nothing,
      },
    });
    await source.start((batch) => {
      assert.notEqual(batch.kind, 'loss');
      decoder.decode(batch, (event) => events.push(event));
    });
    assert.ok(source.up, name);
    t.after(() => source.stop());
  }

  const [gpu] = bus.list();
  kernel.log(gpu!, 'Tile0: GT0: Timedout job: seqno=1, lrc_seqno=1, guc_id=3, flags=0x0 in python3 [1007]', 'notice');
  kernel.log(gpu!, 'Xe device coredump has been created');
  kernel.wedged(gpu!);
  bus.unbind(gpu!.pciBdf);
  kernel.binding('unbind', gpu!);
  await waitFor(() => devices.devices.length === 1, { what: 'the device to go' });
  bus.bind(gpu!.pciBdf);
  kernel.binding('bind', gpu!);
  await waitFor(() => events.length >= 6, { what: `six events, not ${events.length}` });

  const bySource = (source: string) => events.filter((event) => event.source === source);
  assert.deepEqual(
    bySource('kmsg').map(({ definition }) => definition.name),
    [EVENT.jobTimeout, EVENT.deviceCoredump, EVENT.deviceWedged],
  );
  assert.deepEqual(
    bySource('uevent').map(({ definition }) => definition.name),
    [EVENT.deviceWedged, EVENT.deviceUnbound, EVENT.deviceBound],
  );
  assert.ok(events.every(({ device }) => device?.pciBdf === gpu!.pciBdf));
  assert.equal(bySource('kmsg')[0]?.details?.[ATTRIBUTE.pid], 1007);
  assert.equal(bySource('uevent')[0]?.details?.[ATTRIBUTE.deviceRecovery], 'rebind,bus-reset');
  const age = Number(BigInt(Date.now()) * 1_000_000n - bySource('kmsg')[0]!.realtimeNs) / 1e9;
  assert.ok(age > -1 && age < 60, `a line has the time at which it was printed, not ${age} s ago`);
  assert.equal(devices.devices.length, 2);
});
