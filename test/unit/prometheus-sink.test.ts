import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventsLost } from '../../exporter/events/events-lost.js';
import { watchRemoved } from '../../exporter/events/watch-removed.js';
import { PrometheusSink } from '../../exporter/sinks/prometheus.js';
import { ExporterMetrics } from '../../exporter/telemetry/exporter-metrics.js';
import { ERRNO_LABELS, METRIC } from '../../exporter/telemetry/names.js';
import { aClient, aDevice, anEvent, aWorkload } from '../helpers/events.js';
import { parseExposition } from '../helpers/exposition.js';

const BDF = 'pci_bdf="0000:03:00.0"';
const POD = 'k8s_namespace_name="ml",k8s_pod_name="train-0",k8s_container_name="main"';
const NO_POD = 'k8s_namespace_name="",k8s_pod_name="",k8s_container_name=""';

function start() {
  const metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    sinks: ['prometheus'],
    version: '1',
    revision: '',
    nodeVersion: 'v20',
    processMetrics: false,
  });
  const sink = new PrometheusSink(metrics);
  const read = async () => parseExposition(await metrics.registry.render('text'));
  return { metrics, sink, read };
}

describe('PrometheusSink', () => {
  it('has the series of a client at 0 before its first event', async () => {
    const { sink, read } = start();
    sink.clientDiscovered(aClient({ workload: aWorkload() }));
    const series = await read();
    for (const errno of ERRNO_LABELS)
      assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="${errno}",${POD}}`), 0);
  });

  it('counts an error for its device and its container', async () => {
    const { sink, read } = start();
    const client = aClient({ workload: aWorkload() });
    assert.equal(sink.accept(anEvent({ client, device: client.device })), undefined);
    assert.equal(sink.accept(anEvent({ client, device: client.device, code: -62 })), undefined);
    const series = await read();
    assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 1);
    assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ETIME"}`), 1);
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${POD}}`), 1);
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="EBUSY",${POD}}`), 0);
  });

  it('puts every error code under one bounded label', async () => {
    const { sink, read } = start();
    const codes: [number, string][] = [
      [-12, 'ENOMEM'],
      [-28, 'ENOSPC'],
      [-62, 'ETIME'],
      [-16, 'EBUSY'],
      [-5, 'other'],
      [0, 'other'],
    ];
    codes.push([-255, 'other'], [-256, 'other'], [-2_147_483_648, 'other'], [2_147_483_647, 'other'], [12, 'ENOMEM']);
    const expected = new Map<string, number>();
    for (const [code, label] of codes) {
      sink.accept(anEvent({ code }));
      expected.set(label, (expected.get(label) ?? 0) + 1);
    }
    const series = await read();
    for (const [label, count] of expected)
      assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="${label}"}`), count, label);
  });

  it('counts clients of one container together and processes outside of containers under empty labels', async () => {
    const { sink, read } = start();
    for (const drmClientId of [1, 2]) sink.accept(anEvent({ client: aClient({ drmClientId, workload: aWorkload() }) }));
    sink.accept(anEvent({ client: aClient({ drmClientId: 3 }) }));
    const series = await read();
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${POD}}`), 2);
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${NO_POD}}`), 1);
    assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 3);
  });

  it('counts an error without a client for the device alone', async () => {
    const { sink, read } = start();
    assert.equal(sink.accept(anEvent({ client: undefined, device: aDevice() })), undefined);
    const series = await read();
    assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 1);
    assert.ok(![...series.keys()].some((key) => key.startsWith(METRIC.clientVmRebindErrors)));
  });

  it('refuses an error without a device', () => {
    assert.equal(start().sink.accept(anEvent({ client: undefined, device: undefined })), 'unknown_device');
  });

  it('shows when the newest error was, even after the clock was set back', async () => {
    const { sink, read } = start();
    const key = `${METRIC.vmRebindErrorLastTimestamp}{${BDF}}`;
    sink.accept(anEvent({ realtimeNs: 1_769_860_800_500_000_000n }));
    assert.equal((await read()).get(key), 1_769_860_800.5);
    sink.accept(anEvent({ realtimeNs: 1_000_000_000_000_000_000n }));
    assert.equal((await read()).get(key), 1_769_860_800.5);
    sink.accept(anEvent({ client: aClient({ drmClientId: 99 }), realtimeNs: 1_769_860_801_250_000_000n }));
    assert.equal((await read()).get(key), 1_769_860_801.25);
  });

  it('counts a loss for its source, and bookkeeping not at all', async () => {
    const { sink, read } = start();
    const before = await read();
    assert.equal(sink.accept(anEvent({ definition: watchRemoved })), undefined);
    assert.deepEqual(await read(), before);
    assert.equal(sink.accept(anEvent({ definition: eventsLost, client: undefined, device: undefined })), undefined);
    assert.equal((await read()).get(`${METRIC.eventsLost}{source="watch_queue"}`), 1);
  });

  it('refuses events once closed, keeps its counts, and closes twice', async () => {
    const { sink, read } = start();
    sink.accept(anEvent());
    await sink.close();
    await sink.close();
    assert.equal(sink.accept(anEvent()), 'closed');
    assert.equal((await read()).get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 1);
  });
});
