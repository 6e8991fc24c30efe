import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { startCollector, type Behaviour, type Collector } from '../../helpers/collector.js';
import { startGrpcCollector } from '../../helpers/grpc-collector.js';
import { openMetricPush, type OpenedPush } from '../../helpers/metric-push.js';
import { pointsOf } from '../../helpers/otlp-metrics.js';
import { waitFor } from '../../helpers/wait-for.js';
import { METRIC } from '../../../exporter/names.js';
import { aDevice } from '../../helpers/events.js';

/** Only when it is closed, with time enough for a slow machine to answer. */
const NEVER = { OTEL_METRIC_EXPORT_INTERVAL: '3600000', OTEL_METRIC_EXPORT_TIMEOUT: '30000' };

async function collectorOf(t: TestContext, behaviour: Behaviour = { kind: 'ok' }): Promise<Collector> {
  const collector = await startCollector({ behaviour });
  t.after(() => collector.stop());
  return collector;
}

async function pushOf(t: TestContext, url: string, env: Readonly<Record<string, string>> = {}): Promise<OpenedPush> {
  const opened = await openMetricPush(url, env);
  t.after(() => opened.push.close(0));
  return opened;
}

/** Data points of the last push: every counter and histogram. */
async function countsIn({ metrics }: OpenedPush): Promise<number> {
  const samples = await Promise.all(
    metrics.registry.families.filter(({ type }) => type !== 'gauge').map((family) => family.get()),
  );
  return samples.flatMap(({ values }) => values).filter(({ metricName = '' }) => !/_(bucket|sum)$/.test(metricName))
    .length;
}

/** Often, and with time enough for a slow machine to answer. */
const OFTEN = { OTEL_METRIC_EXPORT_INTERVAL: '1000', OTEL_METRIC_EXPORT_TIMEOUT: '1000' };

test('pushes come on time, are cumulative, and carry resource and scope', async (t) => {
  const collector = await collectorOf(t);
  const opened = await pushOf(t, collector.url, OFTEN);
  opened.metrics.devices.deviceDiscovered(aDevice());
  const [errors] = opened.metrics.devices.rebindErrors(aDevice().pciBdf);
  errors!.inc(2);
  const value = (): number | undefined =>
    pointsOf(collector.requests.at(-1)?.metrics, METRIC.vmRebindErrors, { errno: 'ENOMEM' })[0]?.value;
  await waitFor(() => value() === 2, { what: 'the first push' });
  errors!.inc(3);
  await waitFor(() => value() === 5, { what: 'a push of the sum' });

  const [request] = collector.requests;
  assert.equal(request?.method, 'POST');
  assert.equal(request?.path, '/v1/metrics');
  assert.equal(request?.headers['content-type'], 'application/x-protobuf');
  assert.deepEqual(request?.metrics?.scope, { name: 'xe-exporter', version: '1.2.3' });
  assert.equal(request?.metrics?.resource['service.name'], 'xe-exporter');
  assert.equal(request?.metrics?.resource['service.instance.id'], 'node-a-42');
  const metric = request?.metrics?.metrics.find(({ name }) => name === METRIC.vmRebindErrors);
  assert.deepEqual([metric?.kind, metric?.temporality, metric?.isMonotonic], ['sum', 2, true]);
  const starts = collector.requests.map(
    ({ metrics }) => pointsOf(metrics, METRIC.vmRebindErrors, { errno: 'ENOMEM' })[0]?.startNs,
  );
  assert.equal(new Set(starts).size, 1);
});

/** Too short for the SDK's first retry. */
const IMPATIENT = { OTEL_EXPORTER_OTLP_TIMEOUT: '400' };

/** One push against each behaviour: which part of it is exported. */
const MATRIX: [behaviour: Behaviour, exported: (points: number) => number, env: Readonly<Record<string, string>>][] = [
  [{ kind: 'ok' }, (points) => points, {}],
  [{ kind: 'slow', delayMs: 50 }, (points) => points, {}],
  [{ kind: 'partial', rejected: 3 }, (points) => points - 3, {}],
  [{ kind: 'partial', rejected: 3 }, (points) => points - 3, { OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json' }],
  [{ kind: 'partial', rejected: 1_000_000 }, () => 0, {}],
  [{ kind: 'bad_request' }, () => 0, IMPATIENT],
  [{ kind: 'unavailable', retryAfter: 1 }, () => 0, IMPATIENT],
  [{ kind: 'hang' }, () => 0, IMPATIENT],
  [{ kind: 'reset' }, () => 0, IMPATIENT],
  [{ kind: 'drip' }, () => 0, { OTEL_METRIC_EXPORT_TIMEOUT: '200', OTEL_EXPORTER_OTLP_TIMEOUT: '10000' }],
  [{ kind: 'hang' }, () => 0, { OTEL_METRIC_EXPORT_TIMEOUT: '100', OTEL_EXPORTER_OTLP_TIMEOUT: '10000' }],
];
for (const [behaviour, part, env] of MATRIX) {
  test(`the last push, ${JSON.stringify({ ...behaviour, ...env })}: every data point is exported or failed`, async (t) => {
    const collector = await collectorOf(t, behaviour);
    const opened = await pushOf(t, collector.url, { ...NEVER, ...env });
    const points = await countsIn(opened);
    await opened.push.close(20_000);
    const exported = part(points);
    assert.deepEqual(opened.counts, { exported, failed: points - exported });
    const problems = opened.lines.filter(({ level }) => level === 'warn' || level === 'error');
    assert.equal(
      problems.filter(({ message }) => /export of data points .* fails/.test(message)).length,
      exported < points ? 1 : 0,
    );
    assert.ok(problems.length <= 2, JSON.stringify(problems));
  });
}

test('a collector that comes back is pushed to, and both changes are said once', async (t) => {
  const { port, url, stop } = await startCollector();
  await stop();
  const opened = await pushOf(t, url, OFTEN);
  await waitFor(() => opened.counts.failed > 0, { what: 'a push that fails' });
  const collector = await startCollector({ port });
  t.after(() => collector.stop());
  await waitFor(() => opened.counts.exported > 0, { what: 'a push that arrives' });
  const said = (text: RegExp): number => opened.lines.filter(({ message }) => text.test(message)).length;
  assert.equal(said(/export of data points to http:\/\/127\.0\.0\.1:\d+\/v1\/metrics fails: ECONNREFUSED/), 1);
  assert.equal(said(/works again; \d+ data points were lost/), 1);
});

test('a collector that hangs does not hold up the end', async (t) => {
  const collector = await collectorOf(t, { kind: 'hang' });
  const opened = await pushOf(t, collector.url, {
    ...NEVER,
    OTEL_METRIC_EXPORT_TIMEOUT: '60000',
    OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
  });
  const points = await countsIn(opened);
  const before = performance.now();
  await opened.push.close(100);
  assert.ok(performance.now() - before < 10_000);
  assert.deepEqual(opened.counts, { exported: 0, failed: points });
  assert.match(opened.lines.at(-1)?.message ?? '', /data points were not delivered/);
});

test('many series go in several requests, none too large for a gRPC receiver', async (t) => {
  const collector = await collectorOf(t);
  const opened = await pushOf(t, collector.url, NEVER);
  const long = 'n'.repeat(253);
  for (let index = 0; index < 10_000; index++) opened.metrics.eventsReceived.cell('kmsg', `${long}${index}`);
  await opened.push.close(20_000);
  assert.equal(opened.counts.failed, 0);
  assert.ok(opened.counts.exported > 10_000);
  assert.ok(collector.requests.length >= 3);
  for (const { body } of collector.requests) assert.ok(body.length < 4 * 1024 * 1024, `${body.length} bytes`);
});

test('gRPC: the whole push, the refused part, and a collector that hangs', async (t) => {
  const collector = await startGrpcCollector();
  t.after(() => collector.stop());
  const env = { ...NEVER, OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc' };
  const taken = await pushOf(t, collector.url, env);
  const points = await countsIn(taken);
  await taken.push.close(20_000);
  assert.deepEqual(taken.counts, { exported: points, failed: 0 });
  assert.equal(collector.calls[0]?.path, '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export');
  assert.equal(pointsOf(collector.calls[0]?.metrics, METRIC.seriesOverflow)[0]?.value, 0);

  collector.rejected = 2;
  const partial = await pushOf(t, collector.url, env);
  await partial.push.close(20_000);
  assert.deepEqual(partial.counts, { exported: points - 2, failed: 2 });

  collector.hangs = true;
  const hung = await pushOf(t, collector.url, { ...env, ...IMPATIENT });
  await hung.push.close(20_000);
  assert.deepEqual(hung.counts, { exported: 0, failed: points });
});

test('the SDK is not loaded by an exporter that pushes nothing', () => {
  const open = new URL('../../../exporter/otlp/metrics/open.js', import.meta.url).href;
  const script = `const { openMetricPush } = await import(${JSON.stringify(open)});
    const config = { otlpEndpoint: 'http://localhost:1', otlpMetrics: false };
    if (await openMetricPush({ config, env: {}, features: { report() {} } })) throw new Error('it pushes');
    const { default: Module } = await import('node:module');
    console.log(Object.keys(Module._cache).filter((path) => path.includes('opentelemetry')).length);`;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(out.trim(), '0');
});
