import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Workload, XeClient } from '../../../exporter/clients/client.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { deviceWedged } from '../../../exporter/events/definitions/device-wedged.js';
import { eventsLost } from '../../../exporter/events/definitions/events-lost.js';
import { hardwareError } from '../../../exporter/events/definitions/hardware-error.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import { watchRemoved } from '../../../exporter/events/definitions/watch-removed.js';
import { PrometheusSink } from '../../../exporter/sinks/prometheus.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { EVENT_METRIC } from '../../../exporter/events/index.js';
import { toLogRecord } from '../../../exporter/pipeline/log/log-record.js';
import { ATTRIBUTE, EXEMPLAR_LABEL, HARDWARE_ERROR_SEVERITIES, METRIC, OUTCOMES } from '../../../exporter/names.js';
import { aClient, aDevice, anEvent, aWorkload } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';

const BDF = 'pci_bdf="0000:03:00.0"';
const POD = 'k8s_namespace_name="ml",k8s_pod_name="train-0",k8s_container_name="main"';
const UNATTRIBUTED =
  'k8s_namespace_name="_unattributed",k8s_pod_name="_unattributed",k8s_container_name="_unattributed"';
const NO_POD = 'k8s_namespace_name="",k8s_pod_name="",k8s_container_name=""';

function start(maxWorkloads = 512, exemplarsOf?: string) {
  let time = 0;
  const metrics = new ExporterMetrics({
    maxWorkloads,
    now: () => time,
    sources: ['watch_queue'],
    sinks: ['prometheus'],
    version: '1',
    revision: '',
    nodeVersion: 'v20',
    processMetrics: false,
  });
  const sink = new PrometheusSink(metrics, exemplarsOf);
  const read = async () => parseExposition(await metrics.registry.render('text'));
  const advance = (ms: number) => (time += ms);
  return { metrics, sink, read, advance };
}

describe('PrometheusSink', () => {
  it('has the series of a client at 0 before its first event', async () => {
    const { sink, read } = start();
    sink.clientDiscovered(aClient({ workload: aWorkload() }));
    const series = await read();
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${POD}}`), 0);
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ETIME",${POD}}`), undefined);
  });

  it('gives the counters of an error the id of its log event, in OpenMetrics alone and only when asked to', async () => {
    const instance = '0b0e6b2c-5f3f-4f0a-9a51-1f2e3d4c5b6a';
    const client = aClient({ workload: aWorkload() });
    for (const exemplarsOf of [instance, undefined]) {
      const { sink, metrics } = start(512, exemplarsOf);
      const event = anEvent({ client, device: client.device, sequence: 41 });
      sink.accept(event);
      sink.accept({ ...event, sequence: Number.MAX_SAFE_INTEGER });
      sink.accept(anEvent({ device: client.device, errorCode: -62, sequence: 7, phase: 'opened' }));
      const lines = (await metrics.registry.render('openmetrics')).split('\n');
      const exemplars = lines.filter((line) => line.includes(' # '));
      assert.equal((await metrics.registry.render('text')).includes(EXEMPLAR_LABEL), false);
      if (exemplarsOf === undefined) {
        assert.deepEqual(exemplars, []);
        continue;
      }
      const { eventId: idAttribute } = ATTRIBUTE;
      const { attributes } = toLogRecord(event, { instanceId: instance, includeProcess: true });
      assert.equal(attributes[idAttribute], `${instance}-41`);
      const last = `# {${EXEMPLAR_LABEL}="${instance}-${Number.MAX_SAFE_INTEGER}"} 1 1769860800.123457`;
      assert.deepEqual(exemplars, [
        `${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"} 2 ${last}`,
        `${METRIC.vmRebindErrors}{${BDF},errno="ETIME"} 1 # {${EXEMPLAR_LABEL}="${instance}-7"} 1 1769860800.123457`,
        `${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${POD}} 2 ${last}`,
      ]);
      for (const line of exemplars) assert.ok(/\{([^{}]*)\} 1 /.exec(line)![1]!.length < 128, line);
    }
  });

  it('counts an error for its device and its container', async () => {
    const { sink, read } = start();
    const client = aClient({ workload: aWorkload() });
    assert.equal(sink.accept(anEvent({ client, device: client.device })), undefined);
    assert.equal(sink.accept(anEvent({ client, device: client.device, errorCode: -62 })), undefined);
    const series = await read();
    assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 1);
    assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ETIME"}`), 1);
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${POD}}`), 1);
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ETIME",${POD}}`), 1);
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="EBUSY",${POD}}`), undefined);
    const last = series.get(`${METRIC.clientVmRebindErrorLastTimestamp}{${BDF},errno="ETIME",${POD}}`);
    assert.equal(last, series.get(`${METRIC.vmRebindErrorLastTimestamp}{${BDF}}`));
    assert.ok(last);
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
      sink.accept(anEvent({ errorCode: code }));
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

  it('counts an error without a client for nobody, whatever is concluded, and nobody is under no cap', async () => {
    const { sink, read, metrics } = start(0);
    metrics.devices.deviceDiscovered(aDevice());
    const nobody = `${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${UNATTRIBUTED}}`;
    assert.equal((await read()).get(nobody), 0, 'it is there before the first');
    const inferred = { client: aClient({ workload: aWorkload() }), evidence: 'only_client' } as const;
    assert.equal(sink.accept(anEvent({ client: undefined, device: aDevice(), inferred })), undefined);
    const series = await read();
    assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 1);
    assert.equal(series.get(nobody), 1);
    assert.ok(
      ![...series.keys()].some((key) => key.startsWith(METRIC.clientVmRebindErrors) && key.includes('train-0')),
    );
    assert.equal(series.get(`${METRIC.seriesOverflow}{metric="${METRIC.clientVmRebindErrors}"}`), 0);
  });

  it('counts an incident in two parts for its device with the first and for its client with the second', async () => {
    const { sink, read } = start();
    const error = anEvent({ client: undefined, device: aDevice(), realtimeNs: 5_000_000_000n });
    const ofDevice = async () => {
      const series = await read();
      const clients = [...series].filter(([key]) => key.startsWith(METRIC.clientVmRebindErrors));
      const sum = clients.reduce((total, [, value]) => total + value, 0);
      return [
        series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`),
        series.get(`${METRIC.vmRebindErrorLastTimestamp}{${BDF}}`),
        series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${UNATTRIBUTED}}`),
        sum,
      ];
    };
    sink.accept({ ...error, phase: 'opened' });
    assert.deepEqual(await ofDevice(), [1, 5, 0, 0]);
    sink.accept({
      ...error,
      phase: 'concluded',
      client: aClient({ workload: aWorkload() }),
      realtimeNs: 6_000_000_000n,
    });
    assert.deepEqual(await ofDevice(), [1, 5, 0, 1]);
    sink.accept({ ...error, phase: 'opened' });
    sink.accept({ ...error, phase: 'concluded' });
    assert.deepEqual(await ofDevice(), [2, 5, 1, 2]);
  });

  it('counts a wedging in two parts once, and the second does not make the device wedged', async () => {
    const { sink, read, metrics } = start();
    const event = anEvent({ definition: deviceWedged, client: undefined, device: aDevice() });
    const wedged = async () => {
      const series = await read();
      return [series.get(`${METRIC.deviceWedged}{${BDF}}`), series.get(`${EVENT_METRIC.deviceWedged}{${BDF}}`)];
    };
    metrics.devices.deviceDiscovered(aDevice());
    sink.accept({ ...event, phase: 'opened' });
    assert.deepEqual(await wedged(), [1, 1]);
    metrics.devices.deviceDiscovered(aDevice({ binding: 2 }));
    sink.accept({ ...event, phase: 'concluded' });
    assert.deepEqual(await wedged(), [0, 1]);
  });

  it('counts hardware errors by severity, each born at 0 with the device', async () => {
    const { sink, metrics, read } = start();
    metrics.devices.deviceDiscovered(aDevice());
    const details = { [ATTRIBUTE.hardwareErrorSeverity]: 'corrected' };
    assert.equal(
      sink.accept(anEvent({ definition: hardwareError, client: undefined, device: aDevice(), details })),
      undefined,
    );
    const series = await read();
    const counts = HARDWARE_ERROR_SEVERITIES.map((severity) =>
      series.get(`${EVENT_METRIC.hardwareError}{${BDF},severity="${severity}"}`),
    );
    assert.deepEqual(counts, [1, 0, 0]);
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
    const loss = { definition: eventsLost, client: undefined, device: undefined };
    assert.equal(sink.accept(anEvent(loss)), undefined);
    assert.equal(sink.accept(anEvent({ ...loss, source: 'kmsg', lostMessages: 49 })), undefined);
    const counted = await read();
    assert.equal(counted.get(`${METRIC.eventsLost}{source="watch_queue"}`), 1, 'the kernel gives no number');
    assert.equal(counted.get(`${METRIC.eventsLost}{source="kmsg"}`), 49);
  });

  it('refuses events once closed, keeps its counts, and closes twice', async () => {
    const { sink, read } = start();
    sink.accept(anEvent());
    await sink.close();
    await sink.close();
    assert.equal(sink.accept(anEvent()), 'closed');
    assert.equal((await read()).get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 1);
  });

  it('counts an outcome for its device, without touching the errors', async () => {
    const { sink, read } = start();
    const outcome = (given: Partial<DeviceEvent>) => sink.accept(anEvent({ definition: vmRebindOutcome, ...given }));
    for (const value of OUTCOMES) assert.equal(outcome({ outcome: value }), undefined);
    outcome({ outcome: 'exited' });
    assert.equal(outcome({ client: undefined, outcome: 'unknown' }), 'unknown_device');
    const series = await read();
    const counts = OUTCOMES.map((value) => series.get(`${METRIC.vmRebindOomOutcomes}{${BDF},outcome="${value}"}`));
    assert.deepEqual(counts, [2, 1, 1, 1]);
    assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 0);
  });

  it('keeps the series of a container for 15 minutes after its last client, then starts anew', async () => {
    const { sink, read, advance } = start();
    const clients = [1, 2].map((drmClientId) => aClient({ drmClientId, workload: aWorkload() }));
    const key = `${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${POD}}`;
    for (const client of clients) sink.clientDiscovered(client);
    sink.accept(anEvent({ client: clients[0] }));
    sink.clientLeft(clients[0]!);
    sink.clientLeft(clients[0]!);
    advance(60 * 60_000);
    sink.accept(anEvent({ client: clients[1] }));
    assert.equal((await read()).get(key), 2, 'one of its clients is still there');
    sink.clientLeft(clients[1]!);
    advance(15 * 60_000 - 1);
    assert.equal((await read()).get(key), 2);
    advance(1);
    assert.equal((await read()).has(key), false);
    sink.clientDiscovered(clients[0]!);
    assert.equal((await read()).get(key), 0);
    sink.accept(anEvent({ client: clients[0] }));
    assert.equal((await read()).get(key), 1, 'the event moves the series that is shown');
    assert.equal(
      (await read()).get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`),
      3,
      'the device forgets nothing',
    );
  });

  for (const how of ['the same object', 'an object that took its place']) {
    it(`gives a client whose pod is named later its new series at 0: ${how}`, async () => {
      const { sink, read, advance } = start();
      const client = aClient() as { workload: Workload | undefined } & XeClient;
      sink.clientDiscovered(client);
      sink.accept(anEvent({ client }));
      let named: XeClient = { ...client, workload: aWorkload() };
      if (how === 'the same object') named = Object.assign(client, { workload: aWorkload() });
      sink.clientDiscovered(named);
      const [before, after] = [NO_POD, POD].map(
        (pod) => `${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${pod}}`,
      );
      assert.deepEqual([(await read()).get(before!), (await read()).get(after!)], [1, 0]);
      sink.accept(anEvent({ client }));
      sink.accept(anEvent({ client: named }));
      assert.deepEqual([(await read()).get(before!), (await read()).get(after!)], [1, 2]);
      advance(15 * 60_000);
      assert.deepEqual([(await read()).has(before!), (await read()).get(after!)], [false, 2]);
      sink.clientDiscovered(named);
      sink.clientLeft(named);
      advance(15 * 60_000);
      assert.equal((await read()).has(after!), false, 'said twice, held once');
    });
  }

  it('counts a late record of a client that left for its container', async () => {
    const { sink, read, advance } = start();
    const client = aClient({ workload: aWorkload() });
    sink.clientDiscovered(client);
    sink.clientLeft(client);
    sink.accept(anEvent({ client }));
    const key = `${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${POD}}`;
    assert.equal((await read()).get(key), 1);
    advance(15 * 60_000);
    assert.equal((await read()).has(key), false, 'and does not hold the series');
  });

  it('counts containers beyond the cap under _other, without losing an error', async () => {
    const { sink, read } = start(2);
    for (let pod = 0; pod < 5; pod++) {
      const client = aClient({ drmClientId: pod, workload: aWorkload({ pod: `pod-${pod}` }) });
      sink.clientDiscovered(client);
      sink.clientDiscovered(client);
      for (let turn = 0; turn < 10; turn++) sink.accept(anEvent({ client }));
    }
    const series = await read();
    const other = 'k8s_namespace_name="_other",k8s_pod_name="_other",k8s_container_name="_other"';
    assert.equal(series.get(`${METRIC.clientVmRebindErrors}{${BDF},errno="ENOMEM",${other}}`), 30);
    assert.equal(series.get(`${METRIC.seriesOverflow}{metric="${METRIC.clientVmRebindErrors}"}`), 3);
  });

  it('has nothing left of 10,000 short-lived clients of 10,000 containers', async () => {
    const { sink, read, advance } = start();
    const device = aDevice();
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    let next = 0;
    const churn = (count: number) => {
      for (const end = next + count; next < end; next++) {
        const client = aClient({ drmClientId: next, device, workload: aWorkload({ pod: `pod-${next}` }) });
        sink.clientDiscovered(client);
        sink.accept(anEvent({ client }));
        sink.clientLeft(client);
        advance(10);
      }
    };
    const measure = async () => {
      const series = await read();
      gc();
      return { size: series.size, heap: process.memoryUsage().heapUsed, series };
    };
    churn(5_000);
    const before = await measure();
    churn(10_000);
    const after = await measure();
    assert.equal(after.size, before.size);
    assert.equal([...after.series.keys()].filter((key) => key.startsWith(METRIC.clientVmRebindErrors)).length, 513);
    assert.ok(after.heap - before.heap < 1024 * 1024, `heap grew by ${after.heap - before.heap} bytes`);
    assert.equal(after.series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 15_000);
    assert.equal(after.series.get(`${METRIC.seriesOverflow}{metric="${METRIC.clientVmRebindErrors}"}`), 0);
  });
});
