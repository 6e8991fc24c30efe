import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printableUrl } from '../../../exporter/otlp/endpoint.js';
import { ExportHealth } from '../../../exporter/otlp/export-health.js';
import { resourceAttributes } from '../../../exporter/otlp/resource.js';
import { metricPushWanted } from '../../../exporter/otlp/metrics/open.js';
import { pushSettings } from '../../../exporter/otlp/metrics/settings.js';
import { LOGS } from '../../../exporter/otlp/signal.js';
import { otlpSettings } from '../../../exporter/sinks/otlp/settings.js';
import { otlpWanted } from '../../../exporter/otlp/wanted.js';

const ENDPOINT = 'http://collector:4318';
const wanted = (env: Record<string, string>, endpoint: string) => otlpWanted(env, LOGS, { endpoint });

test('OTLP is on only when asked for, and the switches of the specification win', () => {
  const cases: [env: Record<string, string>, option: string, wanted: boolean, reason: RegExp][] = [
    [{}, '', false, /no OTLP endpoint/],
    [{}, ENDPOINT, true, /option/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT }, '', true, /OTEL_EXPORTER_OTLP_ENDPOINT/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '  ' }, '', false, /no OTLP endpoint/],
    [{ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: ENDPOINT }, '', true, /OTEL_EXPORTER_OTLP_LOGS_ENDPOINT/],
    [{ OTEL_LOGS_EXPORTER: 'otlp' }, '', true, /OTEL_LOGS_EXPORTER/],
    [{ OTEL_LOGS_EXPORTER: 'none' }, ENDPOINT, false, /none/],
    [{ OTEL_SDK_DISABLED: 'TRUE' }, ENDPOINT, false, /OTEL_SDK_DISABLED/],
    [{ OTEL_SDK_DISABLED: 'false' }, ENDPOINT, true, /option/],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ENDPOINT }, '', false, /no OTLP endpoint/],
  ];
  for (const [env, option, isWanted, reason] of cases) {
    const decision = wanted(env, option);
    assert.equal(decision.wanted, isWanted, JSON.stringify(env));
    assert.match(decision.reason, reason);
    assert.equal(decision.warning, undefined);
  }
});

test('what cannot be followed is said, not guessed', () => {
  assert.match(wanted({ OTEL_LOGS_EXPORTER: 'console' }, ENDPOINT).warning ?? '', /'console' is not supported/);
  assert.equal(wanted({ OTEL_LOGS_EXPORTER: 'console' }, ENDPOINT).wanted, false);
  assert.equal(wanted({ OTEL_LOGS_EXPORTER: 'otlp,console' }, '').wanted, true);
  for (const endpoint of ['collector:4318', 'not a url', 'ftp://collector', 'http://']) {
    const decision = wanted({}, endpoint);
    assert.equal(decision.wanted, false, endpoint);
    assert.match(decision.warning ?? '', /is no URL such as/);
  }
  assert.equal(wanted({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'collector:4317').wanted, true);
});

test('the path of the endpoint follows the specification', () => {
  const url = (env: Record<string, string>, endpoint = '') => otlpSettings(env, { endpoint }).url;
  const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
  assert.equal(url({}), 'http://localhost:4318/v1/logs');
  assert.equal(url(grpc), 'http://localhost:4317');
  assert.equal(url({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }), 'http://c:4318/v1/logs');
  assert.equal(url({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/otlp/' }), 'http://c:4318/otlp/v1/logs');
  assert.equal(url({ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://c:4318/in' }), 'http://c:4318/in');
  assert.equal(url({ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://c:4318' }), 'http://c:4318/');
  assert.equal(
    url({ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://env:4318/in' }, 'https://option'),
    'https://option/v1/logs',
  );
  assert.equal(url({}, 'http://c:4318/v1/logs'), 'http://c:4318/v1/logs');
  assert.equal(url(grpc, 'c:4317'), 'c:4317');
});

test('numbers out of bounds give the default and a warning', () => {
  const good = otlpSettings({
    OTEL_BLRP_MAX_QUEUE_SIZE: '100',
    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '500',
    OTEL_BLRP_SCHEDULE_DELAY: '7',
    OTEL_BLRP_EXPORT_TIMEOUT: '70',
  });
  assert.deepEqual([good.queueSize, good.batchSize, good.delayMs, good.exportTimeoutMs], [100, 100, 7, 70]);
  assert.deepEqual(good.warnings, []);
  for (const text of ['0', '-1', '1.5', 'many', '1e12', 'Infinity']) {
    const { queueSize, warnings } = otlpSettings({ OTEL_BLRP_MAX_QUEUE_SIZE: text });
    assert.equal(queueSize, 2048, text);
    assert.equal(warnings.length, 1);
  }
  assert.equal(otlpSettings({ OTEL_BLRP_MAX_QUEUE_SIZE: '100' }, { queueSize: 10 }).queueSize, 10);
});

test('an unknown protocol is http/protobuf with a warning', () => {
  const { protocol, warnings } = otlpSettings({ OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier-pigeon' });
  assert.equal(protocol, 'http/protobuf');
  assert.match(warnings[0] ?? '', /carrier-pigeon/);
  const env = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json' };
  assert.equal(otlpSettings(env).protocol, 'http/json');
});

test('secrets in a URL are not printed', () => {
  assert.equal(printableUrl('https://user:pass@c:4318/v1/logs?token=x'), 'https://c:4318/v1/logs');
  assert.equal(printableUrl('user:pass@c:4317'), 'c:4317');
  assert.doesNotMatch(wanted({}, 'ftp://user:pass@c').warning ?? '', /pass/);
});

test('the resource names node and pod in Kubernetes, and the machine elsewhere', () => {
  const service = { name: 'xe-exporter', version: '1', instanceId: 'i', hostName: 'xe-exporter-x7k2p', hostId: 'abc' };
  assert.deepEqual(resourceAttributes(service, { NODE_NAME: 'n1', POD_NAME: 'p', POD_NAMESPACE: 'ns', POD_UID: 'u' }), {
    'service.name': 'xe-exporter',
    'service.version': '1',
    'service.instance.id': 'i',
    'host.name': 'n1',
    'k8s.node.name': 'n1',
    'k8s.namespace.name': 'ns',
    'k8s.pod.name': 'p',
    'k8s.pod.uid': 'u',
  });
  const bare = resourceAttributes({ ...service, hostName: 'box' }, { NODE_NAME: '' });
  assert.equal(bare['host.name'], 'box');
  assert.equal(bare['host.id'], 'abc');
  assert.equal('k8s.node.name' in bare, false);
});

test('health is said once a change, and a flapping collector once a minute', () => {
  let now = 0;
  const lines: string[] = [];
  const health = new ExportHealth(
    LOGS,
    'http://c',
    (level, message) => lines.push(`${level} ${message}`),
    () => now,
  );
  health.worked();
  health.worked();
  for (let attempt = 0; attempt < 5; attempt += 1) health.failed(10, 'ECONNREFUSED');
  health.worked();
  assert.equal(lines.length, 3);
  assert.match(lines[1] ?? '', /^warn .*ECONNREFUSED/);
  assert.match(lines[2] ?? '', /^info .*works again; 50 log records were lost/);
  for (let flap = 0; flap < 100; flap += 1) {
    health.failed(1, 'reset');
    health.worked();
  }
  assert.equal(lines.length, 3);
  now = 60_001;
  health.failed(1, 'reset');
  health.worked();
  assert.match(lines[4] ?? '', /101 log records were lost/);
});

test('metrics are pushed only when asked for, beside an endpoint', () => {
  const OTLP = { OTEL_METRICS_EXPORTER: 'otlp' };
  const cases: [env: Record<string, string>, otlpEndpoint: string, otlpMetrics: boolean, wanted: boolean, RegExp][] = [
    [{}, ENDPOINT, false, false, /neither --otlp-metrics nor OTEL_METRICS_EXPORTER=otlp/],
    [{}, ENDPOINT, true, true, /option/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT }, '', true, true, /OTEL_EXPORTER_OTLP_ENDPOINT/],
    [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: ENDPOINT }, '', true, true, /OTEL_EXPORTER_OTLP_METRICS_ENDPOINT/],
    [OTLP, ENDPOINT, false, true, /option/],
    [OTLP, '', false, true, /OTEL_METRICS_EXPORTER is otlp/],
    [{ OTEL_METRICS_EXPORTER: 'none' }, ENDPOINT, true, false, /none/],
    [{ OTEL_SDK_DISABLED: 'true' }, ENDPOINT, true, false, /OTEL_SDK_DISABLED/],
    [{ OTEL_LOGS_EXPORTER: 'none' }, ENDPOINT, true, true, /option/],
  ];
  for (const [env, otlpEndpoint, otlpMetrics, isWanted, reason] of cases) {
    const decision = metricPushWanted({ env, config: { otlpEndpoint, otlpMetrics } });
    assert.equal(decision.wanted, isWanted, JSON.stringify(env));
    assert.match(decision.reason, reason);
    assert.equal(decision.warning, undefined);
  }
  for (const env of [{}, { OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: ENDPOINT }]) {
    const decision = metricPushWanted({ env, config: { otlpEndpoint: undefined, otlpMetrics: true } });
    assert.equal(decision.wanted, false);
    assert.match(decision.warning ?? '', /--otlp-metrics has no effect without an endpoint/);
  }
  const prometheus = {
    env: { OTEL_METRICS_EXPORTER: 'prometheus' },
    config: { otlpEndpoint: ENDPOINT, otlpMetrics: true },
  };
  assert.match(metricPushWanted(prometheus).warning ?? '', /'prometheus' is not supported/);
});

test('each signal has its own path, endpoint and protocol', () => {
  const url = (env: Record<string, string>, endpoint = '') => pushSettings(env, endpoint).url;
  assert.equal(url({}), 'http://localhost:4318/v1/metrics');
  assert.equal(url({}, 'http://c:4318'), 'http://c:4318/v1/metrics');
  assert.equal(url({}, 'http://c:4318/otlp/v1/logs'), 'http://c:4318/otlp/v1/metrics');
  assert.equal(url({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c:4318/in' }), 'http://c:4318/in');
  assert.equal(url({ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://c:4318/in' }), 'http://localhost:4318/v1/metrics');
  const env = { OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
  assert.equal(pushSettings(env, '').protocol, 'grpc');
  assert.equal(otlpSettings(env).protocol, 'http/json');
});

test('metrics stay cumulative, and the interval bounds the time-out', () => {
  assert.deepEqual(pushSettings({}, ENDPOINT), {
    protocol: 'http/protobuf',
    url: `${ENDPOINT}/v1/metrics`,
    intervalMs: 60_000,
    exportTimeoutMs: 30_000,
    warnings: [],
  });
  const short = pushSettings({ OTEL_METRIC_EXPORT_INTERVAL: '5000' }, '');
  assert.deepEqual([short.intervalMs, short.exportTimeoutMs, short.warnings], [5000, 5000, []]);
  const both = pushSettings({ OTEL_METRIC_EXPORT_INTERVAL: '5000', OTEL_METRIC_EXPORT_TIMEOUT: '6000' }, '');
  assert.equal(both.exportTimeoutMs, 5000);
  assert.match(both.warnings[0] ?? '', /longer than the interval/);
  for (const preference of ['delta', 'LowMemory']) {
    const { warnings } = pushSettings({ OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: preference }, '');
    assert.match(warnings.join(), /is not followed: metrics are cumulative/);
  }
  assert.deepEqual(pushSettings({ OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'Cumulative' }, '').warnings, []);
  assert.equal(pushSettings({ OTEL_METRIC_EXPORT_INTERVAL: '0' }, '').warnings.length, 1);
});
