import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { XeClient } from '../../exporter/clients/client.js';
import { Decoder } from '../../exporter/pipeline/decode/decoder.js';
import { eventDefinitions } from '../../exporter/events/index.js';
import { Pipeline } from '../../exporter/pipeline/pipeline.js';
import { PrometheusSink } from '../../exporter/sinks/prometheus.js';
import { TerminalSink } from '../../exporter/sinks/terminal.js';
import { ExporterMetrics } from '../../exporter/metrics/exporter-metrics.js';
import { aBatch, rawRecord } from '../helpers/batches.js';
import { aClient, aWorkload } from '../helpers/events.js';
import { parseExposition } from '../helpers/exposition.js';

/** Long enough to find something, short enough to run every time. */
const BOUNDS = { interruptAfterTimeLimit: 8_000, numRuns: 3_000 };

/** The rules of the wire once more, written for slowness: one record at a time, as a person would read a hex dump. */
function reference(bytes: Uint8Array): { known: string[]; unknown: number; malformed: number } {
  const result = { known: [] as string[], unknown: 0, malformed: 0 };
  let rest = [...bytes];
  while (rest.length > 0) {
    const length = rest.length < 8 ? 0 : rest[4]! % 128;
    if (length < 8 || length > rest.length) {
      result.malformed++;
      return result;
    }
    const record = rest.slice(0, length);
    rest = rest.slice(length);
    const key = `${record[0]! + 256 * record[1]! + 65536 * record[2]!}/${record[3]!}`;
    const number = (at: number) => record.slice(at, at + 4).reduceRight((sum, byte) => sum * 256 + byte, 0);
    if (key === '0/0') result.known.push(`removed`);
    else if (key === '0/1') result.known.push('lost');
    else if (key !== '2/0') result.unknown++;
    else if (length < 16) result.malformed++;
    else result.known.push(`vm ${number(8)} ${number(12)} of ${record[5]!}`);
  }
  return result;
}

const NAMES: Record<string, string> = { 'xe.exporter.watch_removed': 'removed', 'xe.exporter.events_lost': 'lost' };

/** Mostly sensible records with anything in between, and now and then nothing but noise. */
const someBytes = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  {
    weight: 4,
    arbitrary: fc
      .array(
        fc.oneof(
          fc.uint8Array({ minLength: 8, maxLength: 8 }).map((payload) => vmError(payload)),
          fc
            .record({
              type: fc.oneof(fc.nat(3), fc.nat(0xffffff)),
              subtype: fc.oneof(fc.nat(2), fc.nat(255)),
              id: fc.nat(255),
              bytes: fc.integer({ min: 8, max: 127 }),
              lie: fc.option(fc.nat(127), { freq: 20 }),
            })
            .map(({ type, subtype, id, bytes, lie }) => rawRecord(type, subtype, id, bytes, lie ?? bytes)),
        ),
        { maxLength: 20 },
      )
      .chain((records) => {
        const all = new Uint8Array(Buffer.concat(records));
        return fc.nat(all.length).map((cut) => (cut % 5 === 0 ? all.slice(0, cut) : all));
      }),
  },
);

function vmError(payload: Uint8Array): Uint8Array {
  const record = rawRecord(2, 0, payload[0]!, 16);
  record.set(payload, 8);
  return record;
}

const owners: XeClient[] = Array.from({ length: 256 }, (_, drmClientId) =>
  aClient({ drmClientId, workload: drmClientId % 2 ? aWorkload({ pod: `pod-${drmClientId % 7}` }) : undefined }),
);

test('any bytes decode as the reference says, and every record ends in one number', () => {
  fc.assert(
    fc.property(someBytes, (bytes) => {
      const counts = { received: 0, unknown_type: 0, malformed: 0 };
      const seen: string[] = [];
      const decoder = new Decoder(eventDefinitions, {
        received: (_source, _event, count) => (counts.received += count),
        dropped: (reason, count) => (counts[reason] += count),
      });
      decoder.decode(aBatch(bytes, owners), (event) => {
        const name = NAMES[event.definition.name];
        seen.push(name ?? `vm ${event.vmId} ${event.errorCode >>> 0} of ${event.client?.drmClientId}`);
      });
      const expected = reference(bytes);
      assert.deepEqual(seen, expected.known);
      assert.deepEqual(counts, {
        received: expected.known.length,
        unknown_type: expected.unknown,
        malformed: expected.malformed,
      });
    }),
    BOUNDS,
  );
});

test('any batches go through the whole pipeline without a throw, and no counter ever falls', async () => {
  const metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    sinks: ['prometheus', 'terminal'],
    version: '1',
    revision: '',
    nodeVersion: '20',
    processMetrics: false,
  });
  const identity = { instanceId: 'fuzz', includeProcess: true };
  const terminal = new TerminalSink({
    json: true,
    ...identity,
    filter: { devices: [], pids: [], errnos: [] },
    write: (line) => (JSON.parse(line), true),
    onShown: () => undefined,
  });
  const pipeline = new Pipeline(metrics, { counting: [new PrometheusSink(metrics)], events: [terminal] }, identity);
  let before = new Map<string, number>();
  const batches = fc.array(
    fc.record({
      bytes: someBytes,
      // Out of step with our own clock, as after a suspend or from a recording.
      monotonicNs: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      realtimeNs: fc.bigInt({ min: 0n, max: 2n ** 62n }),
      owned: fc.boolean(),
    }),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(batches, async (sequence) => {
      for (const { bytes, owned, ...times } of sequence) pipeline.handle(aBatch(bytes, owned ? owners : [], times));
      const now = parseExposition(await metrics.registry.render('text'));
      for (const [series, value] of before) {
        if (/(_total|_count|_bucket|_sum)\b/.test(series)) assert.ok((now.get(series) ?? -1) >= value, series);
      }
      before = now;
    }),
    { ...BOUNDS, numRuns: 400 },
  );
  for (const [series, value] of before) {
    if (series.includes('reason="error"')) assert.equal(value, 0, `${series}: a sink threw`);
  }
});
