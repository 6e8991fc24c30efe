import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { eventsLost } from '../../../exporter/events/definitions/events-lost.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import { Pipeline } from '../../../exporter/pipeline/pipeline.js';
import { LogRateLimit } from '../../../exporter/pipeline/log/rate-limit.js';
import { StdoutSink } from '../../../exporter/sinks/stdout.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { METRIC } from '../../../exporter/names.js';
import { encodeVmError } from '../../../exporter/wire/watch-notification.js';
import { aBatch } from '../../helpers/batches.js';
import { aClient, anEvent } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';

function start(perMinute = 60, maxBuckets = 4096) {
  const passed: string[] = [];
  let time = 0;
  let taken = true;
  const limit = new LogRateLimit(
    (event, suppressed) => {
      if (taken) passed.push(`${event.client?.drmClientId ?? '-'}+${suppressed}`);
      return taken;
    },
    { perMinute, maxBuckets, now: () => time },
  );
  return {
    limit,
    err: (drmClientId = 1, definition = anEvent().definition) =>
      limit.pass(anEvent({ client: aClient({ drmClientId }), definition })),
    decide: (outcome: 'exited' | 'repeated' | 'survived' | 'unknown', drmClientId = 1) =>
      limit.pass(anEvent({ client: aClient({ drmClientId }), definition: vmRebindOutcome, outcome })),
    /** What passed since the last call, as `client+suppressed`. */
    take: () => passed.splice(0),
    advance: (ms: number) => (time += ms),
    sinksTake: (value: boolean) => (taken = value),
  };
}

test('a minute’s worth at once, then one for each that the rate gives back', () => {
  const { err, take, advance } = start(60);
  const answers = Array.from({ length: 100 }, () => err());
  assert.deepEqual([answers.filter((passed) => passed).length, answers.filter((passed) => !passed).length], [60, 40]);
  assert.deepEqual(new Set(take()), new Set(['1+0']));
  advance(999);
  assert.equal(err(), false);
  advance(1);
  assert.equal(err(), true);
  assert.equal(err(), false);
  assert.deepEqual(take(), ['1+41'], 'the next one says how many were suppressed');
  advance(60_000);
  for (let i = 0; i < 60; i++) assert.equal(err(), true);
  assert.equal(err(), false);
  assert.deepEqual(take().slice(0, 2), ['1+1', '1+0']);
});

for (const perMinute of [1, 7, 60, 1_000_000]) {
  test(`${perMinute} a minute are that many in the long run`, () => {
    const { err, take, advance } = start(perMinute);
    while (err());
    assert.equal(take().length, perMinute);
    let passed = 0;
    for (let step = 0; step < 6_000; step++) {
      advance(100);
      for (let i = 0; i < 3 && err(); i++) passed++;
    }
    const expected = Math.min(perMinute * 10, 18_000);
    assert.ok(Math.abs(passed - expected) <= 1, `${passed} passed`);
  });
}

test('each client and each event name has a rate of its own', () => {
  const { err, decide, take } = start(1);
  assert.deepEqual([err(1), err(1), err(2), err(2)], [true, false, true, false]);
  assert.deepEqual([decide('repeated', 1), decide('unknown', 1)], [true, false]);
  assert.deepEqual(take(), ['1+0', '2+0', '1+0']);
});

test('events without a client or device share a rate by name', () => {
  const { limit, take } = start(1);
  const lost = () => limit.pass(anEvent({ definition: eventsLost, client: undefined, device: undefined }));
  assert.deepEqual([lost(), lost()], [true, false]);
  assert.equal(take().length, 1);
});

test('the last word on a client always passes and takes all with it that is unreported', () => {
  const { err, decide, take } = start(1);
  for (let i = 0; i < 10; i++) {
    err();
    decide('repeated');
  }
  err(2);
  take();
  assert.equal(decide('exited'), true);
  assert.equal(decide('survived', 2), true);
  assert.deepEqual(take(), ['1+18', '2+0']);
  assert.equal(decide('exited'), true);
  assert.deepEqual(take(), ['1+0']);
});

test('a record that no sink takes takes no number with it and costs nothing of the rate', () => {
  const { err, take, advance, sinksTake } = start(1);
  for (let i = 0; i < 5; i++) err();
  take();
  advance(60_000);
  sinksTake(false);
  for (let i = 0; i < 3; i++) assert.equal(err(), true);
  sinksTake(true);
  assert.equal(err(), true);
  assert.deepEqual(take(), ['1+4']);
});

test('a client that is forgotten leaves its number to the next record of that name', () => {
  const { err, decide, take } = start(1, 3);
  for (let i = 0; i < 5; i++) err(1);
  err(2);
  err(3);
  assert.equal(err(1), false, 'seen again: the second is the oldest now');
  err(4);
  assert.deepEqual(take(), ['1+0', '2+0', '3+0', '4+0']);
  err(5);
  err(6);
  assert.deepEqual(take(), ['5+0', '6+5'], 'not 5+5: the first was forgotten after it');
  decide('survived', 99);
  assert.deepEqual(take(), ['99+0']);
});

test('records and what they stand for are all events, in bounded memory', () => {
  const { limit, take } = start(1, 50);
  let offered = 0;
  let state = 7;
  const random = (below: number) => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let i = 0; i < 50_000; i++) {
    const client = aClient({ drmClientId: random(random(10) ? 20 : 5_000) });
    limit.pass(anEvent({ client }));
    offered++;
  }
  // Everybody else is forgotten by and by, so that nothing stays unreported but of the last fifty.
  for (let drmClientId = 10_000; drmClientId < 10_051; drmClientId++) {
    limit.pass(anEvent({ client: aClient({ drmClientId }) }));
    offered++;
  }
  const stoodFor = take().reduce((sum, line) => sum + 1 + Number(line.split('+')[1]), 0);
  assert.equal(stoodFor, offered);
});

test('on /metrics: received is delivered and dropped, and the record says its number', async () => {
  const metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    sinks: ['stdout'],
    version: '',
    revision: '',
    nodeVersion: '',
    processMetrics: false,
  });
  const stream = new PassThrough({ readableHighWaterMark: 1 << 20 });
  let time = 0;
  const pipeline = new Pipeline(
    metrics,
    { logs: [new StdoutSink(stream, { lost: () => assert.fail() })] },
    { instanceId: 'i', includeProcess: true, logsPerMinute: 2, now: () => time },
  );
  const batch = aBatch(
    Array.from({ length: 10 }, () => encodeVmError(0, 1, -12)),
    [aClient()],
  );
  pipeline.handle(batch);
  time += 30_000;
  pipeline.handle(batch);
  const lines = String(stream.read()).trimEnd().split('\n');
  const series = parseExposition(await metrics.registry.render('text'));
  const limited = series.get(`${METRIC.eventsDropped}{stage="sink",sink="stdout",reason="rate_limited"}`);
  assert.equal(lines.length, 3);
  assert.equal(limited, 17);
  const counts = lines.map(
    (line) => (JSON.parse(line) as { attributes: Record<string, unknown> }).attributes['xe.event.suppressed_count'],
  );
  assert.deepEqual(counts, [undefined, undefined, 8]);
});
