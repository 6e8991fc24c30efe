import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type protobuf from 'protobufjs';
import { METRIC } from '../../exporter/names.js';
import { startCollector, type Collector } from '../helpers/collector.js';
import { parseExposition } from '../helpers/exposition.js';
import { openMetricPush } from '../helpers/metric-push.js';
import { officialMessage } from '../helpers/otlp-definitions.js';
import { decodeMetrics, pointsOf, type ReceivedMetrics } from '../helpers/otlp-metrics.js';
import { prometheusLabel, prometheusName } from '../helpers/prometheus-names.js';
import { selfSigned } from '../helpers/tls.js';
import { waitFor } from '../helpers/wait-for.js';
import { startDemo } from './demo-exporter.js';

/** What we send, read with the official OpenTelemetry definitions. */
let request: protobuf.Type;
before(() => {
  request = officialMessage(
    'collector/metrics/v1/metrics_service.proto',
    'collector.metrics.v1.ExportMetricsServiceRequest',
  );
});

function pushesTo(collector: Collector): ReceivedMetrics[] {
  return collector.requests
    .filter(({ path }) => path === '/v1/metrics')
    .map(({ body, headers }) => decodeMetrics(body, headers['content-encoding'] ?? '', request));
}

/** Names of the series in a push, as Prometheus stores them. */
function seriesOf({ metrics }: ReceivedMetrics): Set<string> {
  const series = new Set<string>();
  for (const { name, unit, kind, points } of metrics) {
    const stored = prometheusName(name, unit, kind === 'sum' ? 'counter' : kind);
    for (const { attributes } of points) {
      const labels = Object.entries(attributes).filter(([key]) => !/^hw\./.test(key));
      const pairs = labels.map(([key, value]) => `${prometheusLabel(key)}="${value}"`).sort();
      series.add(`${kind === 'histogram' ? `${stored}_count` : stored}{${pairs.join(',')}}`);
    }
  }
  return series;
}

for (const compression of ['none', 'gzip']) {
  test(`the program pushes what it serves, compression ${compression}`, async (t) => {
    const collector = await startCollector();
    t.after(() => collector.stop());
    const exporter = await startDemo({
      flags: [`--otlp-endpoint=${collector.url}`, '--otlp-metrics', '--demo-rate=20'],
      env: { OTEL_METRIC_EXPORT_INTERVAL: '1000', OTEL_EXPORTER_OTLP_COMPRESSION: compression },
    });
    t.after(() => exporter.stop());
    const errors = (push: ReceivedMetrics): number =>
      pointsOf(push, METRIC.vmRebindErrors).reduce((sum, { value }) => sum + (value ?? 0), 0);
    await waitFor(() => pushesTo(collector).filter((push) => errors(push) > 0).length >= 2, {
      what: 'two pushes with errors',
      deadlineMs: 180_000,
    });
    const scraped = parseExposition(await (await fetch(exporter.metricsUrl)).text());
    // The last push has no gauges. The next one may have been made before the scrape.
    const before = pushesTo(collector).length;
    await waitFor(() => pushesTo(collector).length >= before + 2, { what: 'a push made after the scrape' });
    await exporter.stop();

    const pushes = pushesTo(collector);
    const [first, last] = [pushes[0]!, pushes.at(-1)!];
    assert.ok(errors(last) > errors(first), 'cumulative');
    assert.equal(pointsOf(last, METRIC.otlpRecords, { signal: 'logs', result: 'failed' })[0]?.value, 0);
    assert.equal(last.resource['service.name'], 'xe-exporter');
    assert.equal(last.resource['telemetry.sdk.name'], 'opentelemetry');
    assert.equal(last.scope.name, 'xe-exporter');

    const served = [...scraped.keys()].filter((key) => !/_(bucket|sum)(\{|$)/.test(key));
    const pushed = new Set(pushes.flatMap((push) => [...seriesOf(push)]));
    const missing = served.map(sorted).filter((key) => !pushed.has(key));
    assert.deepEqual(missing, []);

    for (const { name, kind, temporality, isMonotonic, points } of last.metrics) {
      if (kind !== 'gauge') assert.equal(temporality, 2, `${name} is cumulative`);
      if (kind === 'sum') assert.ok(isMonotonic && name.endsWith('_total'), name);
      for (const { startNs, timeNs, attributes } of points) {
        assert.ok(kind === 'gauge' ? startNs === 0n : startNs > 0n && startNs <= timeNs, name);
        assert.equal(attributes['hw.id'], attributes['pci.bdf']);
        assert.equal(attributes['hw.type'], attributes['pci.bdf'] && 'gpu');
      }
    }
    const latency = last.metrics.find(({ name }) => name === METRIC.eventLatency);
    const histogram = latency?.points.find((point) => (point.histogram?.count ?? 0) > 0)?.histogram;
    assert.deepEqual(histogram?.bounds, [0.001, 0.01, 0.1, 1]);
    assert.equal(
      histogram.counts.reduce((sum, count) => sum + count, 0),
      histogram.count,
    );
    assert.deepEqual(pointsOf(last, METRIC.sourceUp), [], 'a stop is no outage');
    const victim = pointsOf(last, METRIC.clientVmRebindErrors).find(({ value }) => (value ?? 0) > 0)?.attributes;
    for (const attribute of ['k8s.namespace.name', 'k8s.pod.name', 'k8s.container.name', 'pci.bdf', 'errno'])
      assert.ok(attribute in victim!, attribute);
  });
}

test('a private certificate authority is trusted through OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE, and only then', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-otlp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { key, cert, certFile } = selfSigned(folder);
  const collector = await startCollector({ tls: { key, cert } });
  t.after(() => collector.stop());
  const endpoint = collector.url;
  const interval = { OTEL_METRIC_EXPORT_INTERVAL: '3600000' };

  const stranger = await openMetricPush(endpoint, { ...interval, OTEL_EXPORTER_OTLP_TIMEOUT: '5000' });
  await stranger.push.close(120_000);
  assert.equal(stranger.counts.exported, 0);
  assert.ok(stranger.counts.failed > 0);
  assert.ok(stranger.lines.some(({ message }) => message.includes('DEPTH_ZERO_SELF_SIGNED_CERT')));
  assert.equal(collector.requests.length, 0);

  const trusting = { ...interval, OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: certFile };
  const { push, counts } = await openMetricPush(endpoint, trusting);
  await push.close(120_000);
  assert.equal(counts.failed, 0);
  assert.equal(pointsOf(decodeMetrics(collector.requests[0]!.body, '', request), METRIC.seriesOverflow)[0]?.value, 0);
});

/** A series of an exposition with its labels in alphabetical order, and braces also around none. */
function sorted(key: string): string {
  const [, name = '', labels = ''] = /^([^{]+)(?:\{(.*)\})?$/.exec(key) ?? [];
  return `${name}{${[...labels.matchAll(/[a-z0-9_]+="(?:[^"\\]|\\.)*"/g)]
    .map(([pair]) => pair)
    .sort()
    .join(',')}}`;
}
