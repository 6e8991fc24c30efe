import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import type { DeviceEvent } from '../../exporter/events/device-event.js';
import { FeatureBoard } from '../../exporter/features.js';
import { createLogger } from '../../exporter/logger.js';
import { ExporterMetrics } from '../../exporter/metrics/exporter-metrics.js';
import { ERRNO_LABELS, SINKS, type DropReason, type SinkName } from '../../exporter/names.js';
import { FanOut } from '../../exporter/pipeline/fan-out.js';
import type { LogRecord } from '../../exporter/pipeline/log/log-record.js';
import type { Sink } from '../../exporter/pipeline/sink.js';
import { sinks } from '../../exporter/sinks/index.js';
import { KubernetesEventsSink } from '../../exporter/sinks/kubernetes-events/sink.js';
import { PrometheusSink } from '../../exporter/sinks/prometheus.js';
import { StdoutSink } from '../../exporter/sinks/stdout.js';
import { JobsSink } from '../../exporter/sinks/jobs/sink.js';
import { StreamSink } from '../../exporter/sinks/stream/sink.js';
import { TerminalSink } from '../../exporter/sinks/terminal.js';
import { startCollector } from '../helpers/collector.js';
import { aClient, anEvent, aWorkload, recordOf } from '../helpers/events.js';
import { KubeApi, NODE } from '../helpers/kube-api.js';
import { openOtelSink } from '../helpers/otel-sink.js';
import { waitFor } from '../helpers/wait-for.js';

/** Enough for what a sink does, on a busy machine. */
const CLOSE_MS = 20_000;
const ITEMS = 50;

/** A sink with an other end that a test can look at. */
interface Subject {
  /** Hands over the item of this number. @returns as {@link Sink.accept} */
  accept(index: number): DropReason | undefined;
  /** Items that have arrived at the other end. */
  delivered(): number;
  /** Items that were taken and then dropped, as the sink's own accounting has it. */
  droppedLater(): number;
  close(deadlineMs: number): Promise<void>;
  readonly name: SinkName;
}

const event = (index: number): DeviceEvent =>
  anEvent({ sequence: index + 1, vmId: index + 1, client: aClient({ workload: aWorkload() }) });

function ofEvents(sink: Sink<DeviceEvent>, delivered: () => number, droppedLater = () => 0): Subject {
  const { name } = sink;
  return { name, accept: (n) => sink.accept(event(n)), delivered, droppedLater, close: (ms) => sink.close(ms) };
}

function ofRecords(sink: Sink<LogRecord>, delivered: () => number, droppedLater = () => 0): Subject {
  const { name } = sink;
  const accept = (n: number): DropReason | undefined => sink.accept(recordOf(event(n)));
  return { name, accept, delivered, droppedLater, close: (ms) => sink.close(ms) };
}

/** A stream that finishes each write in a later turn. */
function slowStream(): { stream: Writable; lines: () => number } {
  let lines = 0;
  const stream = new Writable({
    decodeStrings: false,
    write: (text: string, _encoding, done) => {
      lines += text === '' ? 0 : 1;
      setImmediate(done);
    },
  });
  return { stream, lines: () => lines };
}

/** One subject for every sink; the compiler sees to it. */
const SUBJECTS: Readonly<Record<SinkName, (t: TestContext) => Promise<Subject>>> = {
  async prometheus() {
    const metrics = new ExporterMetrics({
      sources: ['watch_queue'],
      version: '',
      revision: '',
      nodeVersion: '',
      processMetrics: false,
    });
    const sink = new PrometheusSink(metrics);
    const counter = metrics.devices.rebindErrors(aClient().device.pciBdf)[ERRNO_LABELS.indexOf('ENOMEM')]!;
    return ofEvents(sink, () => counter.value);
  },
  async otel_logs(t) {
    const collector = await startCollector();
    t.after(() => collector.stop());
    // Time enough: a request that is given up may have arrived.
    const { sink, counts } = await openOtelSink({ endpoint: collector.url }, { OTEL_EXPORTER_OTLP_TIMEOUT: '20000' });
    t.after(() => sink.close(0));
    const delivered = (): number => collector.requests.reduce((sum, { records }) => sum + records.length, 0);
    return ofRecords(sink, delivered, () => counts.failed);
  },
  async stdout() {
    const { stream, lines } = slowStream();
    let lost = 0;
    const sink = new StdoutSink(stream, { lost: () => lost++ });
    return ofRecords(sink, lines, () => lost);
  },
  async stream() {
    const sink = new StreamSink({ ringSize: 1_000 });
    return ofRecords(sink, () => sink.newest);
  },
  async jobs() {
    const sink = new JobsSink({ instanceId: 'i', includeProcess: true });
    return ofEvents(sink, () => sink.feedOf(aWorkload().owner!).newest);
  },
  async kubernetes_events(t) {
    const api = await KubeApi.open(t);
    let dropped = 0;
    const sink = new KubernetesEventsSink({
      access: api.access(),
      features: new FeatureBoard(),
      logger: createLogger({ level: 'error', format: 'json', stream: { write: () => undefined } }),
      nodeName: NODE,
      instance: 'xe-exporter-abcde',
      instanceId: '11111111-2222-4333-8444-555555555555',
      includeProcess: true,
      accounting: { requested: () => undefined, dropped: (_reason, errors) => (dropped += errors) },
    });
    t.after(() => sink.close(0));
    const told = (): number => [...api.events.values()].reduce((sum, { count }) => sum + count, 0);
    return ofEvents(sink, told, () => dropped);
  },
  async terminal() {
    const { stream, lines } = slowStream();
    const sink = new TerminalSink({
      json: false,
      instanceId: 'i',
      includeProcess: true,
      filter: { devices: [], pids: [], errnos: [] },
      write: (line) => stream.write(line),
      onShown: () => undefined,
    });
    // It leaves waiting for its stream to the process.
    return ofEvents(sink, lines);
  },
};

it('every sink of the list is a subject here', () => {
  assert.deepEqual([...sinks.map(({ name }) => name), 'terminal'].sort(), [...SINKS].sort());
});

for (const name of SINKS) {
  describe(`sink: ${name}`, () => {
    const handOver = (subject: Subject): number =>
      Array.from({ length: ITEMS }, (_, index) => subject.accept(index)).filter((refused) => refused !== undefined)
        .length;

    it('has a public name', async (t) => {
      assert.equal((await SUBJECTS[name](t)).name, name);
    });

    it('drains before it closes: received = delivered + dropped', async (t) => {
      const subject = await SUBJECTS[name](t);
      const refused = handOver(subject);
      await subject.close(CLOSE_MS);
      await waitFor(() => subject.delivered() + subject.droppedLater() + refused === ITEMS, {
        what: `${ITEMS} items: ${subject.delivered()} delivered, ${subject.droppedLater()} + ${refused} dropped`,
      });
      assert.equal(subject.delivered(), ITEMS, 'nothing had to be dropped');
    });

    it('closes once, however often it is asked', async (t) => {
      const subject = await SUBJECTS[name](t);
      handOver(subject);
      await Promise.all([subject.close(CLOSE_MS), subject.close(CLOSE_MS)]);
      await subject.close(0);
      await waitFor(() => subject.delivered() === ITEMS, { what: 'all items' });
      assert.equal(subject.droppedLater(), 0);
    });

    it('refuses after the close, as closed', async (t) => {
      const subject = await SUBJECTS[name](t);
      await subject.close(CLOSE_MS);
      assert.equal(subject.accept(0), 'closed');
      assert.equal(subject.delivered() + subject.droppedLater(), 0);
    });

    it('closes within no time when it has to, and counts what is left', async (t) => {
      const subject = await SUBJECTS[name](t);
      const refused = handOver(subject);
      await subject.close(0);
      await waitFor(() => subject.delivered() + subject.droppedLater() + refused >= ITEMS, { what: 'every item' });
    });
  });
}

describe('a stream that fails', () => {
  const terminal = (write: (line: string) => boolean): Sink<DeviceEvent> =>
    new TerminalSink({
      json: false,
      instanceId: 'i',
      includeProcess: true,
      filter: { devices: [], pids: [], errnos: [] },
      write,
      onShown: () => undefined,
    });

  it('costs the sink its items and no other sink anything: standard output', async () => {
    const ring = new StreamSink({ ringSize: 100 });
    const dropped: string[] = [];
    const gone = new Writable({ write: (_text, _encoding, done) => done(new Error('EPIPE')) });
    const sink = new StdoutSink(gone, { lost: () => dropped.push('stdout error') });
    const fanOut = new FanOut<LogRecord>([sink, ring], {
      dropped: (name, reason) => dropped.push(`${name} ${reason}`),
    });
    for (let index = 0; index < ITEMS; index++) fanOut.publish(recordOf(event(index)));
    await waitFor(() => dropped.length === ITEMS, { what: 'the lines that were taken' });
    fanOut.publish(recordOf(event(ITEMS)));
    await fanOut.close(CLOSE_MS);
    assert.equal(ring.newest, ITEMS + 1);
    assert.deepEqual([...new Set(dropped)].sort(), ['stdout closed', 'stdout error']);
    assert.equal(dropped.length, ITEMS + 1);
  });

  it('costs the sink its items and no other sink anything: the terminal', async () => {
    let shown = 0;
    const dropped: string[] = [];
    const fanOut = new FanOut<DeviceEvent>(
      [
        terminal(() => {
          throw new Error('broken');
        }),
        terminal(() => ++shown > 0),
      ],
      { dropped: (sink, reason) => dropped.push(`${sink} ${reason}`) },
    );
    for (let index = 0; index < ITEMS; index++) fanOut.publish(event(index));
    await fanOut.close(CLOSE_MS);
    assert.deepEqual([shown, dropped.length], [ITEMS, ITEMS]);
    assert.deepEqual([...new Set(dropped)], ['terminal error']);
  });
});
