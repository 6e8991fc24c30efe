import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { everyMetric } from '../../../docs/generator/everything.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { CounterFamily, GaugeFamily } from '../../../exporter/metrics/engine/metric-families.js';
import { HistogramFamily } from '../../../exporter/metrics/engine/histogram-family.js';
import { ExpositionRegistry } from '../../../exporter/metrics/engine/prom-client-adapter.js';
import { attributesOf } from '../../../exporter/otlp/metrics/attributes.js';
import { RegistryProducer } from '../../../exporter/otlp/metrics/producer.js';
import { unitOf } from '../../../exporter/otlp/metrics/unit.js';
import { ATTRIBUTE, LABEL, METRIC } from '../../../exporter/names.js';
import { aDevice, aWorkload } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';
import { prometheusLabel, prometheusName } from '../../helpers/prometheus-names.js';

const SCOPE = { name: 'xe-exporter', version: '1.2.3' };

async function metricsOf(registry: ExpositionRegistry) {
  const { resourceMetrics, errors } = await new RegistryProducer(registry, SCOPE).collect();
  assert.deepEqual(errors, []);
  assert.deepEqual(resourceMetrics.scopeMetrics[0]?.scope, SCOPE);
  return resourceMetrics.scopeMetrics[0]!.metrics;
}

const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6;

describe('a pushed registry', () => {
  it('has every series of /metrics, with the same value', async () => {
    const { registry, devices } = new ExporterMetrics({
      sources: ['watch_queue'],
      sinks: ['prometheus'],
      version: '1.2.3',
      revision: '',
      nodeVersion: '20',
      processMetrics: false,
    });
    devices.deviceDiscovered(aDevice());
    devices.clientRebindErrors.acquire(aDevice().pciBdf, aWorkload()).counters[0]!.count(7);
    const pushed = new Map<string, number>();
    const series = (name: string, labels: object): string => {
      const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      return pairs.length > 0 ? `${name}{${pairs.sort().join(',')}}` : name;
    };
    for (const { descriptor, dataPoints } of await metricsOf(registry)) {
      for (const { attributes, value } of dataPoints) {
        const { [ATTRIBUTE.hwId]: id, [ATTRIBUTE.hwType]: type, ...rest } = attributes;
        const labels = Object.fromEntries(Object.entries(rest).map(([key, text]) => [prometheusLabel(key), text]));
        assert.equal(id, labels[LABEL.pciBdf]);
        assert.equal(type, id && 'gpu');
        if (typeof value === 'number') pushed.set(series(descriptor.name, labels), value);
        else pushed.set(series(`${descriptor.name}_count`, labels), (value as { count: number }).count);
      }
    }
    const scraped = new Map<string, number>();
    for (const [key, value] of parseExposition(await registry.render('text'))) {
      const [, name = '', labels = ''] = /^([^{]+)(?:\{(.*)\})?$/.exec(key) ?? [];
      if (/_(bucket|sum)$/.test(name)) continue;
      const pairs = [...labels.matchAll(/([a-z0-9_]+)="([^"]*)"/g)].map(([, label, text]) => [label, text]);
      scraped.set(series(name, Object.fromEntries(pairs)), value);
    }
    assert.ok(scraped.size > 30);
    assert.deepEqual(new Map([...pushed].sort()), new Map([...scraped].sort()));
  });

  it('keeps its kinds: a monotonic sum, a gauge without a start, a histogram in buckets of their own', async () => {
    const registry = new ExpositionRegistry();
    registry
      .register(new CounterFamily({ name: 'xe_things_total', help: 'Things.' }))
      .cell()
      .inc(3);
    registry
      .register(new GaugeFamily({ name: 'xe_depth_bytes', help: 'Depth.' }))
      .cell()
      .set(2.5);
    const histogram = new HistogramFamily({ name: 'xe_wait_seconds', help: 'Wait.', buckets: [0.1, 1] });
    registry.register(histogram).cell().observe(0.1, 2);
    histogram.cell().observe(5);
    const [sum, gauge, wait] = await metricsOf(registry);

    assert.equal(sum?.descriptor.name, 'xe_things_total');
    assert.equal(sum.descriptor.description, 'Things.');
    assert.equal(sum.descriptor.unit, '{thing}');
    assert.equal('isMonotonic' in sum && sum.isMonotonic, true);
    assert.equal(sum.aggregationTemporality, 1);
    assert.equal(sum.dataPoints[0]?.value, 3);
    assert.equal(gauge?.descriptor.unit, 'By');
    assert.deepEqual(gauge.dataPoints[0]?.startTime, [0, 0]);
    assert.equal(gauge.dataPoints[0]?.value, 2.5);
    assert.equal(wait?.descriptor.unit, 's');
    assert.deepEqual(wait.dataPoints[0]?.value, {
      buckets: { boundaries: [0.1, 1], counts: [2, 0, 1] },
      sum: 5.2,
      count: 3,
    });
  });

  it('says that a series which was removed and came back has started anew', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
    const registry = new ExpositionRegistry();
    const family = registry.register(new CounterFamily({ name: 'xe_things_total', help: 'Things.', labels: ['kind'] }));
    family.cell('a').inc(5);
    const started = async () => ms((await metricsOf(registry))[0]!.dataPoints[0]!.startTime);
    assert.equal(await started(), 1_000_000);
    t.mock.timers.setTime(1_060_000);
    assert.equal(await started(), 1_000_000);
    family.remove('a');
    family.cell('a');
    assert.equal(await started(), 1_060_000);
  });

  it('never ends before it starts, even when the clock is set back', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 5_000_000 });
    const registry = new ExpositionRegistry();
    registry.register(new CounterFamily({ name: 'xe_things_total', help: 'Things.' }));
    t.mock.timers.setTime(1_000_000);
    const { startTime, endTime } = (await metricsOf(registry))[0]!.dataPoints[0]!;
    assert.equal(ms(startTime), 5_000_000);
    assert.equal(ms(endTime), 5_000_000);
  });

  it('counts the process since its start', async () => {
    const { registry } = new ExporterMetrics({ sources: [], version: '1', revision: '', nodeVersion: '20' });
    const cpu = (await metricsOf(registry)).find(({ descriptor }) => descriptor.name === 'process_cpu_seconds_total');
    assert.ok(Math.abs(ms(cpu!.dataPoints[0]!.startTime) - performance.timeOrigin) < 1);
  });

  it('is pushed without a family that cannot be read', async () => {
    const registry = new ExpositionRegistry();
    const broken = { name: 'xe_broken', help: 'Broken.', type: 'gauge' } as const;
    registry.register({ ...broken, get: () => Promise.reject(new Error('gone')) });
    registry.register(new GaugeFamily({ name: 'xe_depth', help: 'Depth.' }));
    const { resourceMetrics, errors } = await new RegistryProducer(registry, SCOPE).collect();
    assert.deepEqual(errors, [new Error('gone')]);
    assert.deepEqual(
      resourceMetrics.scopeMetrics[0]?.metrics.map(({ descriptor }) => descriptor.name),
      ['xe_depth'],
    );
  });
});

describe('names', () => {
  it('come back from Prometheus as they are on /metrics', async () => {
    for (const { name, type } of await everyMetric())
      assert.equal(prometheusName(name, unitOf(name), type as 'counter'), name);
  });

  it('give the unit', () => {
    for (const [name, unit] of [
      [METRIC.vmRebindErrors, '{error}'],
      [METRIC.clients, '{client}'],
      [METRIC.vmRebindOomOutcomes, '{outcome}'],
      [METRIC.otlpRecords, '{record}'],
      [METRIC.deviceMemoryUsed, 'By'],
      [METRIC.eventLatency, 's'],
      [METRIC.deviceWedged, ''],
      [METRIC.deviceInfo, ''],
      ['process_cpu_seconds_total', 's'],
      ['process_open_fds', '{fd}'],
      ['process_resident_memory_bytes', 'By'],
    ] as const)
      assert.equal(unitOf(name), unit, name);
  });

  it('of labels that log events have too are theirs', () => {
    const labels = Object.fromEntries(Object.values(LABEL).map((label) => [label, 'x']));
    const { [ATTRIBUTE.hwId]: id, [ATTRIBUTE.hwType]: type, ...rest } = attributesOf(labels);
    assert.deepEqual([id, type], ['x', 'gpu']);
    assert.deepEqual(Object.keys(rest).map(prometheusLabel), Object.values(LABEL));
    for (const name of [ATTRIBUTE.pciBdf, ATTRIBUTE.k8sNamespace, ATTRIBUTE.k8sPod, ATTRIBUTE.k8sContainer])
      assert.equal(rest[name], 'x');
    assert.deepEqual(attributesOf({ [LABEL.source]: 'kmsg' }), { source: 'kmsg' });
  });
});
