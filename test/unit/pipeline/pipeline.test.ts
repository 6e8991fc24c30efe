import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import type { XeClient } from '../../../exporter/clients/client.js';
import type { LogRecord } from '../../../exporter/pipeline/log/log-record.js';
import { Pipeline, type PipelineOptions } from '../../../exporter/pipeline/pipeline.js';
import { PrometheusSink } from '../../../exporter/sinks/prometheus.js';
import type { Sink } from '../../../exporter/pipeline/sink.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { EVENT } from '../../../exporter/events/index.js';
import { ATTRIBUTE, METRIC, OUTCOMES } from '../../../exporter/names.js';
import { encodeRemoval, encodeVmError } from '../../../exporter/wire/watch-notification.js';
import { aBatch, rawRecord } from '../../helpers/batches.js';
import { aClient, aWorkload } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';

const BDF = 'pci_bdf="0000:03:00.0"';

function start(logs: readonly Sink<LogRecord>[] = [], options: Partial<PipelineOptions> = {}) {
  const metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    sinks: ['prometheus'],
    version: '1',
    revision: '',
    nodeVersion: '20',
    processMetrics: false,
  });
  const pipeline = new Pipeline(
    metrics,
    { counting: [new PrometheusSink(metrics)], logs },
    { instanceId: 'i', includeProcess: true, ...options },
  );
  const read = async () => parseExposition(await metrics.registry.render('text'));
  return { metrics, pipeline, read };
}

const owners: (XeClient | undefined)[] = [aClient({ workload: aWorkload() }), aClient({ drmClientId: 2 })];

test('a batch ends in the counters: device, container, received, dropped, unattributed, lost, latency', async () => {
  const { pipeline, read } = start();
  pipeline.handle(
    aBatch(
      [
        encodeVmError(0, 1, -12),
        encodeVmError(1, 1, -62),
        encodeVmError(7, 1, -12),
        rawRecord(0, 1, 0, 8),
        encodeRemoval(0),
        rawRecord(9, 9, 0, 8),
        rawRecord(2, 0, 0, 8),
      ],
      owners,
    ),
  );
  const series = await read();
  const received = (event: string) => series.get(`${METRIC.eventsReceived}{source="watch_queue",event="${event}"}`);
  assert.equal(received(EVENT.vmRebindError), 3);
  assert.equal(received(EVENT.eventsLost), 1);
  assert.equal(received(EVENT.watchRemoved), 1);
  assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 1);
  assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ETIME"}`), 1);
  assert.equal(series.get(`${METRIC.eventsLost}{source="watch_queue"}`), 1);
  assert.equal(series.get(`${METRIC.eventsUnattributed}{reason="no_container"}`), 1);
  assert.equal(series.get(`${METRIC.eventsUnattributed}{reason="client_gone"}`), 1);
  const dropped = (stage: string, sink: string, reason: string) =>
    series.get(`${METRIC.eventsDropped}{stage="${stage}",sink="${sink}",reason="${reason}"}`);
  assert.equal(dropped('decode', '', 'unknown_type'), 1);
  assert.equal(dropped('decode', '', 'malformed'), 1);
  assert.equal(dropped('sink', 'prometheus', 'unknown_device'), 1);
  assert.equal(series.get(`${METRIC.eventLatency}_count`), 5);
});

test('a batch without an event observes no latency', async () => {
  const { pipeline, read } = start();
  pipeline.handle(aBatch([]));
  assert.equal((await read()).get(`${METRIC.eventLatency}_count`), 0);
});

test('a read in the future, as from a recording, counts and does not throw', async () => {
  const { pipeline, read } = start();
  pipeline.handle(aBatch([encodeVmError(0, 1, -12)], owners, { monotonicNs: 2n ** 62n }));
  pipeline.handle(aBatch([encodeVmError(0, 1, -12)], owners, { monotonicNs: -(2n ** 62n) }));
  const series = await read();
  assert.equal(series.get(`${METRIC.eventLatency}_count`), 2);
});

test('a sink that throws is an error of that sink and nothing else', async () => {
  const bad: Sink<LogRecord> = {
    name: 'stdout',
    accept() {
      throw new Error('broken');
    },
    close: () => Promise.reject(new Error('broken')),
  };
  const { pipeline, read } = start([bad]);
  pipeline.handle(aBatch([encodeVmError(0, 1, -12)], owners));
  await pipeline.close(10);
  const series = await read();
  assert.equal(series.get(`${METRIC.eventsDropped}{stage="sink",sink="stdout",reason="error"}`), 1);
  assert.equal(series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`), 1);
});

test('what comes after the close is dropped and counted', async () => {
  const { pipeline, read } = start();
  await pipeline.close(10);
  pipeline.handle(aBatch([encodeVmError(0, 1, -12)], owners));
  const series = await read();
  assert.equal(series.get(`${METRIC.eventsReceived}{source="watch_queue",event="${EVENT.vmRebindError}"}`), 1);
  assert.equal(series.get(`${METRIC.eventsDropped}{stage="sink",sink="prometheus",reason="closed"}`), 1);
});

test('every rebind OOM has one outcome in the end, and the sinks hear of it after the error', async () => {
  const heard: string[] = [];
  const log: Sink<LogRecord> = {
    name: 'stdout',
    accept: ({ eventName, attributes }) =>
      void heard.push(
        `${String(attributes[ATTRIBUTE.eventId])} ${String(attributes[ATTRIBUTE.eventOutcome] ?? eventName)}`,
      ),
    close: async () => undefined,
  };
  const { pipeline, read } = start([log], { outcomeWindowMs: 60_000 });
  const [open, gone, silent] = [1, 2, 3].map((drmClientId) => aClient({ drmClientId }));
  const clients = new ClientTable(10);
  for (const listener of pipeline.clientListeners) clients.subscribe(listener);
  const entries = [open!, gone!, silent!].map((client) => clients.add(client, [])!);
  pipeline.handle(
    aBatch(
      [0, 0, 1, 2, 7].map((watchId) => encodeVmError(watchId, 1, watchId === 2 ? -62 : -12)),
      [open, gone, silent],
    ),
  );
  clients.remove(entries[1]!);
  await pipeline.close(10);
  const error = EVENT.vmRebindError;
  assert.deepEqual(heard, [
    ...[`i-1 ${error}`, `i-2 ${error}`, 'i-1 repeated', `i-3 ${error}`, `i-4 ${error}`, `i-5 ${error}`, 'i-5 unknown'],
    'i-3 exited',
    'i-2 unknown',
  ]);
  const series = await read();
  const outcomes = OUTCOMES.map((value) => series.get(`${METRIC.vmRebindOomOutcomes}{${BDF},outcome="${value}"}`));
  assert.deepEqual(outcomes, [1, 1, 0, 1], 'the one without a device is in no series of a device');
  const ooms = series.get(`${METRIC.vmRebindErrors}{${BDF},errno="ENOMEM"}`);
  assert.equal(
    outcomes.reduce<number>((sum, value) => sum + (value ?? 0), 0),
    ooms,
  );
});

test('without an outcome window nothing is said about what became of a client', async () => {
  const { pipeline, read } = start();
  pipeline.handle(aBatch([encodeVmError(0, 1, -12)], owners));
  await pipeline.close(10);
  const series = await read();
  for (const value of OUTCOMES) assert.equal(series.get(`${METRIC.vmRebindOomOutcomes}{${BDF},outcome="${value}"}`), 0);
});
