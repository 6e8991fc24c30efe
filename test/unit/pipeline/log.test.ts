import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchRemoved } from '../../../exporter/events/definitions/watch-removed.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import type { SinkName } from '../../../exporter/names.js';
import type { LogRecord } from '../../../exporter/pipeline/log/log-record.js';
import { Log } from '../../../exporter/pipeline/log/log.js';
import type { Sink } from '../../../exporter/pipeline/sink.js';
import { anEvent } from '../../helpers/events.js';

function keeping<T>(name: SinkName): Sink<T> & { readonly taken: T[] } {
  const taken: T[] = [];
  return { name, taken, accept: (item) => void taken.push(item), close: async () => undefined };
}

function start({ perMinute = 0, includeProcess = true } = {}) {
  const events = keeping<DeviceEvent>('kubernetes_events');
  const [stdout, stream] = [keeping<LogRecord>('stdout'), keeping<LogRecord>('stream')];
  const dropped: string[] = [];
  const log = new Log(
    { events: [events], logs: [stdout, stream] },
    { dropped: (sink, reason) => dropped.push(`${sink} ${reason}`) },
    { instanceId: 'i', includeProcess, perMinute, now: () => 0 },
  );
  return { log, events, stdout, stream, dropped };
}

test('the record is made once, however many sinks take it', () => {
  const { log, stdout, stream, events } = start();
  const event = anEvent();
  log.accept(event);
  assert.equal(stdout.taken.length, 1);
  assert.equal(stdout.taken[0], stream.taken[0]);
  assert.deepEqual(events.taken, [event]);
});

test('bookkeeping events reach no log', () => {
  const { log, stdout, events, dropped } = start();
  log.accept(anEvent({ definition: watchRemoved }));
  assert.deepEqual([stdout.taken, events.taken, dropped], [[], [], []]);
});

test('the rate limit holds back records, counts them for each log sink, and leaves event sinks alone', () => {
  const { log, stdout, stream, events, dropped } = start({ perMinute: 1 });
  for (let i = 0; i < 3; i++) log.accept(anEvent());
  assert.deepEqual([stdout.taken.length, stream.taken.length, events.taken.length], [1, 1, 3]);
  assert.deepEqual(dropped.sort(), [
    'stdout rate_limited',
    'stdout rate_limited',
    'stream rate_limited',
    'stream rate_limited',
  ]);
});

test('an event that cannot be written is an error of each log sink', () => {
  const { log, stdout, events, dropped } = start();
  const body = (): string => {
    throw new Error('no words');
  };
  log.accept(anEvent({ definition: { ...anEvent().definition, body } }));
  assert.deepEqual([stdout.taken, events.taken.length], [[], 1]);
  assert.deepEqual(dropped, ['stdout error', 'stream error']);
});

test('without a process in the records, none is in any sink', () => {
  const { log, stdout } = start({ includeProcess: false });
  log.accept(anEvent());
  assert.equal(stdout.taken.length, 1);
  assert.doesNotMatch(JSON.stringify(stdout.taken[0]?.attributes) + stdout.taken[0]?.body, /python3|4711/);
});
