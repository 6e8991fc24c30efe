import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { register as globalRegistry } from 'prom-client';
import { AWAKE } from '../../../exporter/host/device-state.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { CounterFamily, GaugeFamily } from '../../../exporter/metrics/engine/metric-families.js';
import { EVENT_METRIC } from '../../../exporter/events/index.js';
import { DROP_REASONS, ERRNO_LABELS, FEATURE_STATES, METRIC, OUTCOMES } from '../../../exporter/names.js';
import { ExpositionRegistry, type ExpositionFormat } from '../../../exporter/metrics/engine/prom-client-adapter.js';
import { aDevice, aWorkload } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';
import { waitFor } from '../../helpers/wait-for.js';

const FORMATS: readonly ExpositionFormat[] = ['text', 'openmetrics'];
const OPTIONS = {
  sources: ['watch_queue'],
  sinks: ['prometheus', 'otel_logs', 'kubernetes_events'],
  version: '1',
  revision: 'abc',
  nodeVersion: 'v20',
} as const;
const metricsWithoutProcess = (more = {}) => new ExporterMetrics({ ...OPTIONS, processMetrics: false, ...more });

describe('ExpositionRegistry', () => {
  for (const format of FORMATS) {
    it(`renders every label value so that it reads back (${format})`, async () => {
      const registry = new ExpositionRegistry();
      const family = registry.register(new CounterFamily({ name: 'a_total', help: 'A.', labels: ['x'] }));
      const wild = [
        '',
        '"',
        '\\',
        '\n',
        '\\n',
        '\\"',
        '"} 1\nb_total 2',
        '\r\t\u2028\u0000',
        '{x="y"}',
        'ü\u{1F600}',
        'a\uD800b',
      ];
      for (const value of wild) family.cell(value).inc();
      const onTheWire = Buffer.from(await registry.render(format)).toString();
      const read = [...parseExposition(onTheWire).keys()].map((key) =>
        unescape(key.slice('a_total{x="'.length, -'"}'.length)),
      );
      assert.deepEqual(read, [...wild.slice(0, -1), 'a\uFFFDb']);
    });
  }

  it('gives a counter the right name in each format, again and again', async () => {
    const registry = new ExpositionRegistry();
    registry
      .register(new CounterFamily({ name: 'a_total', help: 'A.' }))
      .cell()
      .inc();
    for (let turn = 0; turn < 2; turn++) {
      assert.equal(await registry.render('text'), '# HELP a_total A.\n# TYPE a_total counter\na_total 1\n');
      assert.equal(await registry.render('openmetrics'), '# HELP a A.\n# TYPE a counter\na_total 1\n# EOF\n');
    }
  });

  it('refuses a name that is taken', () => {
    const registry = new ExpositionRegistry();
    registry.register(new GaugeFamily({ name: 'a', help: 'A.' }));
    assert.throws(() => registry.register(new GaugeFamily({ name: 'a', help: 'A.' })));
  });

  it('leaves the global registry of prom-client empty', async () => {
    await new ExporterMetrics(OPTIONS).registry.render('text');
    assert.deepEqual(globalRegistry.getMetricsAsArray(), []);
  });
});

describe('ExporterMetrics', () => {
  it('exposes every published name and no other of ours', async () => {
    const text = await metricsWithoutProcess().registry.render('text');
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
    assert.deepEqual(names.toSorted(), [...Object.values(METRIC), ...Object.values(EVENT_METRIC)].toSorted());
  });

  for (const format of FORMATS) {
    it(`reads back the same in strict ${format}, process metrics included`, async () => {
      const metrics = new ExporterMetrics(OPTIONS);
      metrics.devices.deviceDiscovered(aDevice());
      metrics.eventLatency.cell().observe(0.002, 5);
      const series = parseExposition(await metrics.registry.render(format));
      for (const name of [
        'process_cpu_seconds_total',
        'process_resident_memory_bytes',
        'process_start_time_seconds',
        'process_open_fds',
      ]) {
        assert.ok((series.get(name) ?? 0) > 0, name);
      }
      assert.ok([...series.values()].every(Number.isFinite));
      assert.ok(![...series.keys()].some((key) => key.startsWith('nodejs_gc') || key.startsWith('nodejs_heap')));
    });
  }

  it('has every series of a device at 0 from its discovery', async () => {
    const metrics = metricsWithoutProcess();
    metrics.devices.deviceDiscovered(aDevice());
    const series = parseExposition(await metrics.registry.render('text'));
    for (const errno of ERRNO_LABELS)
      assert.equal(series.get(`${METRIC.vmRebindErrors}{pci_bdf="0000:03:00.0",errno="${errno}"}`), 0);
    for (const outcome of OUTCOMES)
      assert.equal(series.get(`${METRIC.vmRebindOomOutcomes}{pci_bdf="0000:03:00.0",outcome="${outcome}"}`), 0);
    for (const name of [METRIC.vmRebindErrorLastTimestamp, METRIC.clients, METRIC.clientsWatched]) {
      assert.equal(series.get(`${name}{pci_bdf="0000:03:00.0"}`), 0, name);
    }
    const identity =
      'card="card0",render="renderD128",pci_id="8086:e20b",vendor="Intel",model="",driver_version="",serial="",physical_function="",numa_node="-1"';
    assert.equal(series.get(`${METRIC.deviceInfo}{pci_bdf="0000:03:00.0",${identity}}`), 1);
  });

  it('keeps the counts of a device that leaves and comes back, but not its state', async () => {
    const metrics = metricsWithoutProcess();
    const old = aDevice();
    metrics.devices.deviceDiscovered(old);
    metrics.devices.clientCounts(old, 3, 2);
    metrics.devices.rebindErrors(old.pciBdf)[0]?.inc();
    metrics.devices.deviceState(old, { ...AWAKE, inSurvivability: true, suspended: true });
    metrics.devices.deviceRemoved(old);
    metrics.devices.clientCounts(old, 1, 1);
    metrics.devices.deviceState(old, { ...AWAKE, inSurvivability: true, suspended: true });
    const gone = parseExposition(await metrics.registry.render('text'));
    for (const name of [
      METRIC.clients,
      METRIC.deviceInfo,
      METRIC.deviceSurvivabilityMode,
      METRIC.deviceRuntimeSuspended,
    ])
      assert.ok(![...gone.keys()].some((key) => key.startsWith(`${name}{`)), name);
    assert.equal(gone.get(`${METRIC.vmRebindErrors}{pci_bdf="0000:03:00.0",errno="ENOMEM"}`), 1);

    metrics.devices.deviceDiscovered(aDevice({ card: 'card5' }));
    metrics.devices.clientCounts(old, 9, 9);
    const back = parseExposition(await metrics.registry.render('text'));
    assert.equal(
      back.get(`${METRIC.clients}{pci_bdf="0000:03:00.0"}`),
      0,
      'counts of the old binding do not touch the new one',
    );
    assert.equal([...back.keys()].filter((key) => key.startsWith(METRIC.deviceInfo)).length, 1);
    assert.equal(back.get(`${METRIC.vmRebindErrors}{pci_bdf="0000:03:00.0",errno="ENOMEM"}`), 1);
  });

  it('starts with every bounded combination at 0', async () => {
    const series = parseExposition(await metricsWithoutProcess().registry.render('text'));
    for (const key of [
      `${METRIC.eventsLost}{source="watch_queue"}`,
      `${METRIC.sourceUp}{source="watch_queue"}`,
      `${METRIC.eventsDropped}{stage="decode",sink="",reason="malformed"}`,
      `${METRIC.clientAttachFailures}{reason="denied"}`,
      `${METRIC.eventsUnattributed}{reason="client_gone"}`,
      `${METRIC.eventsDropped}{stage="sink",sink="otel_logs",reason="rate_limited"}`,
      `${METRIC.otlpRecords}{signal="logs",result="failed"}`,
      `${METRIC.eventsDropped}{stage="sink",sink="kubernetes_events",reason="unreachable"}`,
      `${METRIC.kubernetesEventRequests}{result="created"}`,
      `${METRIC.seriesOverflow}{metric="${METRIC.clientVmRebindErrors}"}`,
      `${METRIC.eventLatency}_count`,
    ]) {
      assert.equal(series.get(key), 0, key);
    }
    const bornDrops = [...series.keys()].filter((key) => key.startsWith(METRIC.eventsDropped));
    for (const reason of DROP_REASONS)
      assert.equal(
        bornDrops.some((key) => key.endsWith(`reason="${reason}"}`)),
        !['unknown_device', 'closed', 'error'].includes(reason),
        `${reason}: what only a fault drops has no series before it happens`,
      );
  });

  it('shows no OTLP series while OTLP is off', async () => {
    const series = parseExposition(await metricsWithoutProcess({ sinks: ['prometheus'] }).registry.render('text'));
    assert.ok(![...series.keys()].some((key) => key.includes('otlp') || key.includes('otel_logs')));
  });

  it('shows a feature in one state at a time', async () => {
    const metrics = metricsWithoutProcess();
    for (const state of FEATURE_STATES) {
      metrics.featureChanged({ feature: 'watch_queue', state, reason: '', fix: '' });
      const series = parseExposition(await metrics.registry.render('text'));
      assert.deepEqual(
        [...series].filter(([key]) => key.startsWith(METRIC.featureInfo)),
        [[`${METRIC.featureInfo}{feature="watch_queue",state="${state}"}`, 1]],
      );
    }
  });

  it('stays within its bound with 10,000 containers at a time', async () => {
    const metrics = metricsWithoutProcess();
    metrics.devices.deviceDiscovered(aDevice());
    for (let pod = 0; pod < 10_000; pod++)
      metrics.devices.clientRebindErrors.acquire('0000:03:00.0', aWorkload({ pod: `pod-${pod}` })).counters[0]?.inc();
    const series = parseExposition(await metrics.registry.render('openmetrics'));
    const clients = [...series].filter(([key]) => key.startsWith(METRIC.clientVmRebindErrors));
    assert.equal(clients.length, 512 + 2, 'and _other and _unattributed');
    assert.equal(
      clients.reduce((sum, [, value]) => sum + value, 0),
      10_000,
    );
    const other = 'k8s_namespace_name="_other",k8s_pod_name="_other",k8s_container_name="_other"';
    assert.equal(
      series.get(`${METRIC.clientVmRebindErrors}{pci_bdf="0000:03:00.0",errno="ENOMEM",${other}}`),
      10_000 - 512,
    );
    const overflow = series.get(`${METRIC.seriesOverflow}{metric="${METRIC.clientVmRebindErrors}"}`);
    assert.equal(overflow, 10_000 - 512);
  });

  it('shows a stall of the event loop', async () => {
    const start = performance.now();
    const metrics = new ExporterMetrics(OPTIONS);
    const maxLag = async () =>
      parseExposition(await metrics.registry.render('text')).get('nodejs_eventloop_lag_max_seconds') ?? NaN;
    await maxLag();
    const waited = performance.now();
    await waitFor(() => performance.now() - waited > 250, { what: 'the first probe' });
    const stalled = performance.now();
    while (performance.now() - stalled < 500);
    for (let turn = 0; turn < 2; turn++) await setImmediate(); // the first may come before the timers of the loop
    const lag = await maxLag();
    const elapsed = (performance.now() - start) / 1000;
    assert.ok(lag > 0.3 && lag <= elapsed, `${lag} s of ${elapsed} s`);
  });
});

/** The value behind an escaped label value. */
function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}
