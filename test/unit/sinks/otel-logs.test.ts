import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { context, createContextKey, metrics, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { OtlpOptions } from '../../../exporter/sinks/otlp/settings.js';
import { startCollector, type Behaviour, type Collector } from '../../helpers/collector.js';
import { anEvent, recordOf } from '../../helpers/events.js';
import { startGrpcCollector } from '../../helpers/grpc-collector.js';
import { openOtelSink, type OpenedSink } from '../../helpers/otel-sink.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';

type Env = Readonly<Record<string, string>>;

async function collectorOf(t: TestContext, behaviour?: Behaviour): Promise<Collector> {
  const collector = await startCollector(behaviour ? { behaviour } : {});
  t.after(() => collector.stop());
  return collector;
}

async function sinkOf(t: TestContext, options: OtlpOptions, env: Env = {}): Promise<OpenedSink> {
  const opened = await openOtelSink(options, env);
  t.after(() => opened.sink.close(0));
  return opened;
}

function emit({ sink }: OpenedSink, count: number): (string | undefined)[] {
  return Array.from({ length: count }, (_, index) => sink.accept(recordOf(anEvent({ sequence: index + 1 }))));
}

const settled = ({ counts }: OpenedSink, records: number) =>
  waitFor(() => counts.exported + counts.failed === records && counts.length === 0, {
    what: `${records} records to be settled`,
    deadlineMs: 10_000,
  });

test('a record arrives whole, and no severity text with it', async (t) => {
  const collector = await collectorOf(t);
  const opened = await sinkOf(t, { endpoint: collector.url });
  emit(opened, 1);
  await settled(opened, 1);

  const [request] = collector.requests;
  assert.equal(request?.method, 'POST');
  assert.equal(request?.path, '/v1/logs');
  assert.equal(request?.headers['content-type'], 'application/x-protobuf');
  const [record] = request?.records ?? [];
  assert.equal(record?.eventName, 'xe.vm.rebind_error');
  assert.equal(record?.severityNumber, 17);
  assert.equal(record?.severityText, undefined);
  assert.equal(record?.timeUnixNano, 1_769_860_800_123_456_789n);
  assert.equal(record?.observedTimeUnixNano, 1_769_860_800_123_456_789n);
  assert.match(String(record?.body), /python3/);
  assert.equal(record?.attributes['error.type'], 'ENOMEM');
  assert.equal(record?.attributes['process.pid'], 4711);
  assert.equal(record?.attributes['xe.vm.errno'], -12);
  assert.deepEqual(record?.scope, { name: 'xe-exporter', version: '1.2.3' });
  assert.equal(record?.resource['service.name'], 'xe-exporter');
  assert.equal(record?.resource['service.version'], '1.2.3');
  assert.equal(record?.resource['service.instance.id'], 'node-a-42');
  assert.equal(record?.resource['host.name'], 'node-a');
  assert.equal(record?.resource['telemetry.sdk.language'], 'nodejs');
  assert.deepEqual(
    Object.keys(record?.resource ?? {}).filter((name) => name.startsWith('process.')),
    [],
  );
});

test('a record that stands for suppressed ones says for how many', async (t) => {
  const collector = await collectorOf(t);
  const opened = await sinkOf(t, { endpoint: collector.url });
  opened.sink.accept(recordOf(anEvent(), 41));
  await settled(opened, 1);
  assert.equal(collector.requests[0]?.records[0]?.attributes['xe.event.suppressed_count'], 41);
});

/** Ten records against each behaviour: what becomes of them, exactly. */
const MATRIX: [behaviour: Behaviour, exported: number, failed: number, env: Env][] = [
  [{ kind: 'ok' }, 10, 0, {}],
  [{ kind: 'slow', delayMs: 50 }, 10, 0, {}],
  [{ kind: 'partial', rejected: 3 }, 7, 3, {}],
  [{ kind: 'partial', rejected: 3 }, 7, 3, { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }],
  [{ kind: 'partial', rejected: 1000 }, 0, 10, {}],
  [{ kind: 'bad_request' }, 0, 10, {}],
  [{ kind: 'unavailable', retryAfter: 1 }, 0, 10, {}],
  [{ kind: 'unavailable', retryAfter: 0 }, 0, 10, {}],
  [{ kind: 'hang' }, 0, 10, {}],
  [{ kind: 'reset' }, 0, 10, {}],
  [{ kind: 'drip' }, 0, 10, { OTEL_BLRP_EXPORT_TIMEOUT: '200', OTEL_EXPORTER_OTLP_TIMEOUT: '10000' }],
  [{ kind: 'hang' }, 0, 10, { OTEL_BLRP_EXPORT_TIMEOUT: '100', OTEL_EXPORTER_OTLP_TIMEOUT: '10000' }],
  [{ kind: 'slow', delayMs: 250 }, 0, 10, { OTEL_BLRP_EXPORT_TIMEOUT: '100' }],
];
for (const [behaviour, exported, failed, env] of MATRIX) {
  test(`ten records, ${JSON.stringify({ ...behaviour, ...env })}: ${exported} exported, ${failed} failed; then it recovers`, async (t) => {
    const collector = await collectorOf(t, behaviour);
    const opened = await sinkOf(t, { endpoint: collector.url }, env);
    assert.deepEqual(new Set(emit(opened, 10)), new Set([undefined]));
    await settled(opened, 10);
    assert.deepEqual(
      { ...opened.counts, peak: 0 },
      { exported, failed, dropped: 0, length: 0, capacity: 2048, peak: 0 },
    );

    collector.behaviour = { kind: 'ok' };
    emit(opened, 5);
    await settled(opened, 15);
    assert.equal(opened.counts.exported, exported + 5);
    assert.equal(opened.lines.filter(({ level }) => level === 'warn' || level === 'error').length <= 2, true);
    if (failed > 0) assert.ok(opened.lines.some(({ message }) => message.includes('works again')));
  });
}

test('a retry the collector asks for delivers', async (t) => {
  const collector = await collectorOf(t, { kind: 'unavailable', retryAfter: 1 });
  const opened = await sinkOf(t, { endpoint: collector.url }, { OTEL_EXPORTER_OTLP_TIMEOUT: '10000' });
  emit(opened, 10);
  await waitFor(() => collector.requests.length === 1, { what: 'the first attempt' });
  collector.behaviour = { kind: 'ok' };
  await settled(opened, 10);
  assert.equal(opened.counts.exported, 10);
  assert.equal(collector.requests.length, 2);
});

test('at capacity a record is dropped at the door, and everything adds up', async (t) => {
  const collector = await collectorOf(t, { kind: 'hang' });
  const opened = await sinkOf(t, { endpoint: collector.url, queueSize: 4 }, { OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '2' });
  const answers = emit(opened, 10);
  assert.deepEqual(answers.slice(0, 5), [undefined, undefined, undefined, undefined, 'queue_full']);
  assert.equal(opened.counts.dropped, 6);
  assert.equal(opened.counts.length, 4);
  assert.equal(opened.lines.filter(({ message }) => message.includes('dropped')).length, 1);
  await settled(opened, 4);
  assert.equal(opened.counts.failed, 4);
});

test('a dead collector costs records, not memory; when it comes back, so do the records', async (t) => {
  const { port, url, stop } = await startCollector();
  await stop();
  const opened = await sinkOf(t, { endpoint: url });
  const { counts } = opened;
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  emit(opened, 10_000);
  gc();
  const before = process.memoryUsage().heapUsed;
  for (let round = 0; round < 10; round += 1) {
    emit(opened, 10_000);
    await new Promise(setImmediate);
  }
  gc();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 8 * 1024 * 1024, `heap grew by ${grown} bytes`);
  assert.equal(counts.peak, 2048);
  await waitFor(() => counts.length === 0, { what: 'the queue to empty' });
  assert.equal(counts.exported + counts.failed + counts.dropped, 110_000);
  assert.equal(counts.exported, 0);
  assert.equal(opened.lines.filter(({ message }) => message.includes('fails')).length, 1);

  const collector = await startCollector({ port });
  t.after(() => collector.stop());
  emit(opened, 3);
  await waitFor(() => counts.exported === 3, { what: 'delivery' });
});

test('close delivers what is queued', async (t) => {
  const collector = await collectorOf(t, { kind: 'slow', delayMs: 20 });
  const env = { OTEL_BLRP_SCHEDULE_DELAY: '60000', OTEL_EXPORTER_OTLP_TIMEOUT: '10000' };
  const opened = await sinkOf(t, { endpoint: collector.url }, env);
  emit(opened, 1200);
  await opened.sink.close(30_000);
  assert.deepEqual(
    { ...opened.counts, peak: 0 },
    { exported: 1200, failed: 0, dropped: 0, length: 0, capacity: 2048, peak: 0 },
  );
  assert.equal(collector.requests.flatMap(({ records }) => records).length, 1200);
});

for (const kind of ['hang', 'drip', 'reset'] as const) {
  test(`close keeps its deadline while the collector does '${kind}', and counts the rest as failed`, async (t) => {
    const collector = await collectorOf(t, { kind });
    const opened = await sinkOf(t, { endpoint: collector.url }, { OTEL_EXPORTER_OTLP_TIMEOUT: '600000' });
    emit(opened, 1000);
    await waitFor(() => collector.requests.length > 0, { what: 'the first request' });
    const closing = opened.sink.close(150);
    assert.equal(opened.sink.close(60_000), closing);
    assert.equal(opened.sink.accept(recordOf(anEvent())), 'closed');
    await inTime(closing, 'the sink');
    assert.deepEqual(
      { ...opened.counts, peak: 0 },
      { exported: 0, failed: 1000, dropped: 1, length: 0, capacity: 2048, peak: 0 },
    );
    assert.equal(opened.sink.accept(recordOf(anEvent())), 'closed');
    assert.equal(opened.counts.dropped, 2);
    assert.equal(opened.lines.filter(({ message }) => message.includes('not delivered')).length, 1);
  });
}

test('nothing is sent after the close, not even the retry that was due', async (t) => {
  const collector = await collectorOf(t, { kind: 'unavailable', retryAfter: 1 });
  const opened = await sinkOf(t, { endpoint: collector.url }, { OTEL_EXPORTER_OTLP_TIMEOUT: '10000' });
  emit(opened, 10);
  await waitFor(() => collector.requests.length === 1, { what: 'the first attempt' });
  await opened.sink.close(0);
  collector.behaviour = { kind: 'ok' };
  await assert.rejects(
    waitFor(() => collector.requests.length > 1, { what: 'a second', deadlineMs: 1500 }),
    /in vain/,
  );
  assert.deepEqual([opened.counts.exported, opened.counts.failed, opened.counts.length], [0, 10, 0]);
});

test('headers, compression and the path of OTEL_EXPORTER_OTLP_* are followed', async (t) => {
  const collector = await collectorOf(t);
  const opened = await sinkOf(
    t,
    {},
    {
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${collector.url}/tenant/in`,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc,x-tenant=one',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    },
  );
  emit(opened, 2);
  await settled(opened, 2);
  const [request] = collector.requests;
  assert.equal(request?.path, '/tenant/in');
  assert.equal(request?.headers['authorization'], 'Bearer abc');
  assert.equal(request?.headers['x-tenant'], 'one');
  assert.equal(request?.headers['content-encoding'], 'gzip');
  assert.equal(request?.records.length, 2);
});

test('OTEL_EXPORTER_OTLP_ENDPOINT gets the path appended; JSON is spoken when asked for', async (t) => {
  const collector = await collectorOf(t);
  const opened = await sinkOf(
    t,
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/otlp`, OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json' },
  );
  emit(opened, 1);
  await settled(opened, 1);
  const [request] = collector.requests;
  assert.equal(request?.path, '/otlp/v1/logs');
  assert.equal(request?.headers['content-type'], 'application/json');
  const [record] = request?.records ?? [];
  assert.equal(record?.eventName, 'xe.vm.rebind_error');
  assert.equal(record?.timeUnixNano, 1_769_860_800_123_456_789n);
  assert.equal(record?.severityText, undefined);
});

test('gRPC is spoken when asked for, refused records and dead lines included', async (t) => {
  const collector = await startGrpcCollector();
  t.after(() => collector.stop());
  const opened = await sinkOf(t, { endpoint: collector.url }, { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' });
  emit(opened, 4);
  await settled(opened, 4);
  assert.equal(collector.calls[0]?.path, '/opentelemetry.proto.collector.logs.v1.LogsService/Export');
  assert.equal(collector.calls[0]?.records[0]?.eventName, 'xe.vm.rebind_error');
  collector.rejected = 1;
  emit(opened, 4);
  await settled(opened, 8);
  assert.deepEqual([opened.counts.exported, opened.counts.failed], [7, 1]);
  collector.hangs = true;
  emit(opened, 4);
  await settled(opened, 12);
  assert.deepEqual([opened.counts.exported, opened.counts.failed], [7, 5]);
  emit(opened, 4);
  await inTime(opened.sink.close(50), 'the sink');
  assert.deepEqual([opened.counts.exported, opened.counts.failed], [7, 9]);
});

test('OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME have the last word on the resource', async (t) => {
  const collector = await collectorOf(t);
  const opened = await sinkOf(
    t,
    { endpoint: collector.url },
    { OTEL_RESOURCE_ATTRIBUTES: 'host.name=other,deployment.environment.name=prod', OTEL_SERVICE_NAME: 'gpu-events' },
  );
  emit(opened, 1);
  await settled(opened, 1);
  const resource = collector.requests[0]?.records[0]?.resource;
  assert.equal(resource?.['host.name'], 'other');
  assert.equal(resource?.['deployment.environment.name'], 'prod');
  assert.equal(resource?.['service.name'], 'gpu-events');
  assert.equal(resource?.['service.instance.id'], 'node-a-42');
});

test('logs are all that is sent and set up, whatever the environment asks for', async (t) => {
  const collector = await collectorOf(t);
  const opened = await sinkOf(
    t,
    { endpoint: collector.url },
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_METRIC_EXPORT_INTERVAL: '10',
      OTEL_METRIC_EXPORT_TIMEOUT: '10',
      OTEL_PROPAGATORS: 'b3',
    },
  );
  const span = trace.getTracer('test').startSpan('span');
  assert.equal(span.isRecording(), false);
  span.end();
  metrics.getMeter('test').createCounter('counter').add(1);
  const key = createContextKey('key');
  assert.equal(
    context.with(ROOT_CONTEXT.setValue(key, 1), () => context.active().getValue(key)),
    undefined,
    'no context is tracked',
  );
  emit(opened, 1);
  await opened.sink.close(2000);
  assert.deepEqual(
    collector.requests.map(({ path }) => path),
    ['/v1/logs'],
  );
});

test('the SDK never writes to the console, even with OTEL_LOG_LEVEL, but to our log', async (t) => {
  const written: unknown[] = [];
  for (const method of ['error', 'warn', 'info', 'log', 'debug', 'trace'] as const) {
    t.mock.method(console, method, (...words: unknown[]) => written.push(words));
  }
  const collector = await collectorOf(t, { kind: 'partial', rejected: 1 });
  const opened = await sinkOf(
    t,
    { endpoint: collector.url },
    { OTEL_LOG_LEVEL: 'all', OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere.pem' },
  );
  emit(opened, 1);
  await settled(opened, 1);
  await opened.sink.close(1000);
  assert.deepEqual(written, []);
  assert.ok(opened.lines.some(({ level }) => level === 'debug'));
  assert.ok(opened.lines.some(({ message }) => message.includes('root certificate')));
  assert.ok(
    opened.lines.some(({ message }) => message.includes('too old')),
    'the collector says why it refused',
  );
});

test('OTEL_SDK_DISABLED leaves nothing half open', async () => {
  await assert.rejects(
    openOtelSink({ endpoint: 'http://localhost:1' }, { OTEL_SDK_DISABLED: 'true' }),
    /OTEL_SDK_DISABLED/,
  );
});

test('the SDK is not loaded before OTLP is on', () => {
  const sink = new URL('../../../exporter/sinks/otlp/sink.js', import.meta.url).href;
  const script = `await import(${JSON.stringify(sink)});
    const { default: Module } = await import('node:module');
    console.log(Object.keys(Module._cache).filter((path) => path.includes('opentelemetry')).length);`;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(out.trim(), '0');
});
