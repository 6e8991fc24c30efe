import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createHttpServer, listenHttp } from '../../exporter/http/server.js';
import type { LogRecord } from '../../exporter/pipeline/log/log-record.js';
import { StreamSink } from '../../exporter/sinks/stream/sink.js';
import { startCollector } from '../helpers/collector.js';
import { aDevice } from '../helpers/events.js';
import { asKmsgRecord, recordsOf } from '../helpers/kernel-log.js';
import { manualClock } from '../helpers/manual-clock.js';
import { aNodeStatus } from '../helpers/node-status.js';
import { openOtelSink } from '../helpers/otel-sink.js';
import { StreamReader } from '../helpers/stream.js';
import { waitFor } from '../helpers/wait-for.js';
import { readRecording, type Recorded, type Recording } from './recording.js';
import { replay } from './replay.js';

const RECORDINGS = 'test/golden/recordings';
const EXPECTED = 'test/golden/expected';
const CLOSE_MS = 20_000;

/** The recordings of kernels, and the kernel log of two generations of the driver, a line a second. */
const SCENARIOS: Readonly<Record<string, () => Recording>> = {
  ...Object.fromEntries(
    readdirSync(RECORDINGS).map((file) => [file.replace(/\.jsonl$/, ''), () => readRecording(join(RECORDINGS, file))]),
  ),
  'kernel-log-6.12': () => logOf('6.12', ['page-fault', 'guc-load-failure']),
  'kernel-log-7.2': () =>
    logOf('7.2', ['hardware-error', 'survivability-mode', 'kernel-log-error', 'guc-load-failure']),
};

for (const [name, recording] of Object.entries(SCENARIOS)) {
  describe(`the recording ${name}`, () => {
    it('leads to the metrics, the OTLP records and the event stream that are expected of it', async (t) => {
      const { metrics, records } = await replay(t, recording(), manualClock(t));
      // From here on real sockets, with real time.
      t.mock.timers.reset();
      assert.ok(records.length > 0);
      assertGolden(`${name}.prom`, metrics);
      assertGolden(`${name}.otlp.json`, await otlpOf(records));
      assertGolden(`${name}.sse`, await streamOf(t, records));
    });
  });
}

/** What a collector receives, in the order it was sent; bigints as decimal numbers. */
async function otlpOf(records: readonly LogRecord[]): Promise<string> {
  const collector = await startCollector();
  const { sink } = await openOtelSink({ endpoint: collector.url }, { OTEL_EXPORTER_OTLP_TIMEOUT: '10000' });
  for (const record of records) assert.equal(sink.accept(record), undefined);
  await sink.close(CLOSE_MS);
  const received = collector.requests.flatMap((request) => request.records);
  await collector.stop();
  assert.equal(received.length, records.length);
  // The SDK stamps when it saw a record.
  const sent = received.map(({ observedTimeUnixNano: _seen, ...record }) => record);
  return `${JSON.stringify(sent, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2)}\n`;
}

/** The whole event stream as a client of GET /events reads it; ids without the random half. */
async function streamOf(t: TestContext, records: readonly LogRecord[]): Promise<string> {
  const sink = new StreamSink({ ringSize: records.length });
  for (const record of records) sink.accept(record);
  const app = createHttpServer({
    registry: { render: () => Promise.resolve('') },
    readiness: () => ({ ready: true, reason: '' }),
    status: () => Promise.resolve(aNodeStatus()),
    devices: () => [],
    logger: { fatal() {}, error() {}, warn() {}, info() {}, debug() {} },
    events: {
      feed: sink,
      limits: { subscribers: 1 },
      accounting: { subscribers() {}, dropped() {}, missed() {} },
    },
  });
  t.after(() => app.close());
  const url = await listenHttp(app, { host: '127.0.0.1', port: 0 });
  const reader = await StreamReader.open(url, '/events', { 'Last-Event-ID': `${sink.instance}-0` });
  await waitFor(() => reader.events.length === records.length, { what: 'every event' });
  await sink.close();
  return reader.body.replaceAll(sink.instance, 'instance');
}

/** `npm run golden` writes what is seen instead of comparing it. */
function assertGolden(file: string, seen: string): void {
  const path = join(EXPECTED, file);
  if (process.env.XE_TEST_UPDATE_GOLDEN) {
    mkdirSync(EXPECTED, { recursive: true });
    writeFileSync(path, seen);
  }
  assert.equal(
    seen,
    existsSync(path) ? readFileSync(path, 'utf8') : '',
    `${path}; if it should differ: npm run golden`,
  );
}

function logOf(version: string, fixtures: readonly string[]): Recording {
  const lines = fixtures.flatMap((fixture) => recordsOf(`${version}/${fixture}.good.txt`));
  const messages = lines.map((line, index): Recorded => {
    const text = (line.startsWith('<') ? asKmsgRecord(line, index) : line).replace(
      /^(\d+,\d+),\d+/,
      `$1,${(index + 1) * 1_000_000}`,
    );
    return { at: String((index + 1) * 1_000_000_000), what: 'kmsg', text };
  });
  const found = messages.flatMap((each) => ('text' in each ? (/DEVICE=\+pci:(\S+)/.exec(each.text)?.[1] ?? []) : []));
  const devices = [...new Set(found)].map((pciBdf) => aDevice({ pciBdf }));
  return { kernel: version, devices, clients: [], messages };
}
