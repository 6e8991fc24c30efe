import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { XeClient } from '../../../exporter/clients/client.js';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { deviceCoredump } from '../../../exporter/events/definitions/device-coredump.js';
import { deviceLost } from '../../../exporter/events/definitions/device-lost.js';
import { deviceWedged } from '../../../exporter/events/definitions/device-wedged.js';
import { jobTimeout } from '../../../exporter/events/definitions/job-timeout.js';
import { eventDefinitions } from '../../../exporter/events/index.js';
import { aDevice, anEvent } from '../../helpers/events.js';
import { waitFor } from '../../helpers/wait-for.js';
import { inPod, oom, setting, times, type Setting } from './kubernetes-events-setting.js';

let clientIds = 100;

/** A client in a pod of this name, which has its owner as the node would know it. */
function podOf(pod: string, given: Partial<XeClient> = {}): XeClient {
  const client = inPod(pod, { drmClientId: ++clientIds, ...given });
  return { ...client, workload: { ...client.workload!, owner: `pod:${client.workload!.podUid}` } };
}

/** A client table that the sink follows, with these clients in it. */
function tableOf({ sink }: Setting, ...clients: readonly XeClient[]): ClientTable {
  const table = new ClientTable(16);
  table.subscribe(sink.clientListener);
  for (const client of clients) table.add(client, []);
  return table;
}

describe('the Event of a pod whose job hung or faulted', () => {
  const faults = eventDefinitions.filter(({ fault }) => fault !== undefined);

  for (const definition of faults) {
    it(`says what the log event says: ${definition.name}`, async (t) => {
      const { publish, sink, events } = await setting(t);
      const event = oom('train-0', { definition, errorCode: 0 });
      publish(event);
      await sink.close(2_000);
      const [written] = events();
      assert.match(String(written!['reason']), /^Xe[A-Z][A-Za-z]+$/);
      assert.equal(written!.message, definition.body(event));
      assert.match(written!.message, /container main of pod ml\/train-0/i);
      assert.doesNotMatch(written!.message, /python3/);
    });
  }

  it('has a reason of its own for each fault', () => {
    assert.ok(faults.length >= 5);
  });

  it('is named after the log event', async (t) => {
    const { publish, sink, events } = await setting(t);
    publish(...faults.map((definition, index) => oom(`pod-${index}`, { definition })));
    await sink.close(2_000);
    assert.deepEqual(
      events()
        .map(({ reason }) => String(reason))
        .sort(),
      ['XeEngineReset', 'XeJobTimeout', 'XeMemoryCatError', 'XePageFault', 'XeVMKilled'],
    );
  });

  it('is one for each kind of error, and each counts its own', async (t) => {
    const { publish, events, settled } = await setting(t);
    publish(...times(3), ...times(2, () => oom('train-0', { definition: jobTimeout })));
    await settled(5);
    const counts = events().map(({ reason, count }) => `${String(reason)} ${count}`);
    assert.deepEqual(counts, ['XeVMRebindOOM 3', 'XeJobTimeout 2']);
  });

  it('says when it follows from something that is not the fault of the pod', async (t) => {
    const { publish, sink, events } = await setting(t);
    publish(oom('train-0', { definition: jobTimeout, causeId: 'x-1' }));
    await sink.close(2_000);
    assert.match(events()[0]!.message, / It follows from an earlier event of this GPU\.$/);
  });
});

describe('the Event of pods whose GPU is lost to them', () => {
  const other = aDevice({ pciBdf: '0000:04:00.0' });
  const wedged = anEvent({ definition: deviceWedged, client: undefined, device: aDevice(), source: 'uevent' });

  it('stands with each pod that has the GPU open, and with no other', async (t) => {
    const given = await setting(t);
    const left = podOf('left');
    const table = tableOf(given, podOf('a'), podOf('b'), podOf('elsewhere', { device: other }), left);
    table.remove(table.get(left.drmClientId)!);
    given.publish(wedged);
    await given.sink.close(2_000);
    assert.deepEqual(
      given
        .events()
        .map(({ involvedObject }) => involvedObject['name'])
        .sort(),
      ['a', 'b'],
    );
    const [event] = given.events();
    assert.equal(event!['reason'], 'XeDeviceWedged');
    assert.equal(
      event!.message,
      'GPU 0000:03:00.0 of node gpu-node-1, which this pod has open, is wedged and rejects all work. ' +
        'Restart this pod on another GPU; whoever runs the node has to repair this one.',
    );
  });

  it('comes when the GPU falls off the bus, too, and of nothing less', async (t) => {
    const given = await setting(t);
    tableOf(given, podOf('a'));
    given.publish({ ...wedged, definition: deviceCoredump }, { ...wedged, definition: deviceLost });
    await given.sink.close(2_000);
    assert.deepEqual(
      given.events().map(({ reason }) => reason),
      ['XeDeviceLost'],
    );
  });

  it('that finds no room is counted for each pod', async (t) => {
    const given = await setting(t, { limits: { maxSeries: 2 } });
    given.api.faults.write.push('silence');
    tableOf(given, ...['a', 'b', 'c', 'd'].map((pod) => podOf(pod)));
    given.publish(wedged);
    await waitFor(() => given.dropped['queue_full'] === 2, { what: 'two drops' });
  });
});
