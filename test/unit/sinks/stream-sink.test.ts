import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsLost } from '../../../exporter/events/definitions/events-lost.js';
import { EventRing } from '../../../exporter/sinks/stream/event-ring.js';
import { jsonLine } from '../../../exporter/sinks/json-line.js';
import { StreamSink } from '../../../exporter/sinks/stream/sink.js';
import { aClient, anEvent, aWorkload, recordOf } from '../../helpers/events.js';

const options = { ringSize: 4 };

const ringEvent = (json: string) => ({
  name: 'x',
  json,
  device: undefined,
  errno: undefined,
  namespace: undefined,
  pod: undefined,
});

test('an event is kept as standard output writes it, with what readers choose by', () => {
  const sink = new StreamSink(options);
  const event = anEvent({ client: aClient({ workload: aWorkload() }) });
  assert.equal(sink.accept(recordOf(event, 3)), undefined);
  assert.deepEqual(sink.at(1), {
    number: 1,
    name: 'xe.vm.rebind_error',
    json: jsonLine(recordOf(event, 3)),
    device: '0000:03:00.0',
    errno: 12,
    namespace: 'ml',
    pod: 'train-0',
  });
});

test('what an event does not have is undefined', () => {
  const sink = new StreamSink(options);
  sink.accept(recordOf(anEvent({ definition: eventsLost, client: undefined, device: undefined })));
  const { device, errno, namespace, pod } = sink.at(1) ?? ringEvent('');
  assert.deepEqual([device, errno, namespace, pod], [undefined, undefined, undefined, undefined]);
});

test('hostile names stay on one line', () => {
  const sink = new StreamSink(options);
  sink.accept(recordOf(anEvent({ client: aClient({ process: { executable: 'a\n\nid: 9\r\u2028\ud800' } }) })));
  assert.doesNotMatch(sink.at(1)?.json ?? '\n', /[\n\r]/);
});

test('the ring keeps the last ones by number', () => {
  const ring = new EventRing(3, 1000);
  assert.deepEqual([ring.oldest, ring.newest, ring.at(0), ring.at(1)], [1, 0, undefined, undefined]);
  for (let index = 1; index <= 7; index++) {
    ring.push(ringEvent(`"${index}"`));
    assert.equal(ring.newest, index);
    assert.equal(ring.oldest, Math.max(1, index - 2));
    for (let number = -1; number <= 9; number++) {
      const kept = number >= ring.oldest && number <= index;
      assert.equal(ring.at(number)?.json, kept ? `"${number}"` : undefined);
    }
  }
});

test('the ring is bounded in bytes, not in characters, and always keeps the newest', () => {
  const ring = new EventRing(100, 30);
  for (let index = 0; index < 10; index++) ring.push(ringEvent('ääääa'));
  assert.deepEqual([ring.oldest, ring.newest], [8, 10]);
  ring.push(ringEvent('x'.repeat(1000)));
  assert.deepEqual([ring.oldest, ring.newest], [11, 11]);
  ring.push(ringEvent('small'));
  assert.deepEqual([ring.oldest, ring.newest], [12, 12], 'what was too large goes first');
});

test('followers hear of events, and once of the end', async () => {
  const sink = new StreamSink(options);
  const heard: string[] = [];
  const follower = { published: () => heard.push(`event ${sink.newest}`), closed: () => heard.push('end') };
  sink.follow(follower);
  sink.accept(recordOf(anEvent()));
  sink.accept(recordOf(anEvent()));
  await sink.close();
  await sink.close();
  assert.equal(sink.accept(recordOf(anEvent())), 'closed');
  assert.deepEqual(heard, ['event 1', 'event 2', 'end']);
  sink.follow(follower);
  assert.deepEqual(heard.slice(3), ['end'], 'one that comes too late hears it at once');
});
