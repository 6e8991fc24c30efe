import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FanOut } from '../../../exporter/pipeline/fan-out.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import type { Sink } from '../../../exporter/pipeline/sink.js';
import type { DropReason, SinkName } from '../../../exporter/names.js';
import { anEvent } from '../../helpers/events.js';

function aSink(name: SinkName, answer: (event: DeviceEvent) => DropReason | undefined = () => undefined) {
  const taken: number[] = [];
  const closes: number[] = [];
  const sink: Sink<DeviceEvent> = {
    name,
    accept(event) {
      const refused = answer(event);
      if (refused === undefined) taken.push(event.sequence);
      return refused;
    },
    async close(deadlineMs) {
      closes.push(deadlineMs);
    },
  };
  return { sink, taken, closes };
}

function start(...sinks: Sink<DeviceEvent>[]) {
  const dropped: string[] = [];
  const fanOut = new FanOut(sinks, { dropped: (sink, reason) => dropped.push(`${sink} ${reason}`) });
  return { fanOut, dropped };
}

test('every sink gets every event, in order', () => {
  const [a, b] = [aSink('prometheus'), aSink('stdout')];
  const { fanOut, dropped } = start(a.sink, b.sink);
  for (const sequence of [1, 2, 3]) fanOut.publish(anEvent({ sequence }));
  assert.deepEqual([a.taken, b.taken, dropped], [[1, 2, 3], [1, 2, 3], []]);
});

test('a sink that refuses or throws costs itself that event and nobody else', () => {
  const full = aSink('otel_logs', ({ sequence }) => (sequence === 2 ? 'queue_full' : undefined));
  const bad = aSink('stdout', ({ sequence }) => {
    if (sequence === 3) throw new Error('broken');
    return undefined;
  });
  const good = aSink('prometheus');
  const { fanOut, dropped } = start(full.sink, bad.sink, good.sink);
  for (const sequence of [1, 2, 3, 4]) fanOut.publish(anEvent({ sequence }));
  assert.deepEqual(
    [full.taken, bad.taken, good.taken],
    [
      [1, 3, 4],
      [1, 2, 4],
      [1, 2, 3, 4],
    ],
  );
  assert.deepEqual(dropped, ['otel_logs queue_full', 'stdout error']);
});

test('for each sink published = delivered + dropped, also after the close', async () => {
  const reasons: (DropReason | undefined)[] = [undefined, 'queue_full', 'unknown_device'];
  const sinks = (['prometheus', 'otel_logs', 'stdout'] as const).map((name, index) =>
    aSink(name, ({ sequence }) => reasons[(sequence + index) % reasons.length]),
  );
  const { fanOut, dropped } = start(...sinks.map(({ sink }) => sink));
  for (let sequence = 1; sequence <= 100; sequence++) {
    if (sequence === 71) await fanOut.close(10);
    fanOut.publish(anEvent({ sequence }));
  }
  for (const { sink, taken } of sinks) {
    const lost = dropped.filter((line) => line.startsWith(sink.name));
    assert.equal(taken.length + lost.length, 100, sink.name);
    assert.equal(lost.filter((line) => line.endsWith('closed')).length, 30, sink.name);
  }
});

test('closing closes all, with the deadline, once', async () => {
  const [a, b] = [aSink('prometheus'), aSink('stdout')];
  const { fanOut } = start(a.sink, b.sink);
  const first = fanOut.close(123);
  assert.equal(fanOut.close(456), first);
  await first;
  assert.deepEqual([a.closes, b.closes], [[123], [123]]);
});

test('a sink that fails to close keeps no other from closing', async () => {
  const rejecting = { ...aSink('otel_logs').sink, close: () => Promise.reject(new Error('no')) };
  const throwing: Sink<DeviceEvent> = {
    ...aSink('stdout').sink,
    close: () => {
      throw new Error('no');
    },
  };
  const good = aSink('prometheus');
  await start(rejecting, throwing, good.sink).fanOut.close(10);
  assert.deepEqual(good.closes, [10]);
});

test('sinks close side by side', async () => {
  let running = 0;
  let most = 0;
  const slow = (name: SinkName): Sink<DeviceEvent> => ({
    ...aSink(name).sink,
    async close() {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    },
  });
  await start(slow('stdout'), slow('otel_logs')).fanOut.close(10);
  assert.equal(most, 2);
});
