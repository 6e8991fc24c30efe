import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { StdoutSink } from '../../../exporter/sinks/stdout.js';
import { aClient, anEvent, recordOf } from '../../helpers/events.js';
import { inTime } from '../../helpers/wait-for.js';

/** A stream that takes nothing until `release()`. */
function stalled(): { stream: Writable; taken: () => string; release: () => void } {
  let held: (() => void) | undefined;
  let open = false;
  let text = '';
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => {
      text += chunk;
      if (open) done();
      else held = done;
    },
  });
  const release = (): void => {
    open = true;
    held?.();
  };
  return { stream, taken: () => text, release };
}

test('an event is one line of JSON with nanoseconds and dotted attribute names', () => {
  const stream = new PassThrough();
  const sink = new StdoutSink(stream, { lost: () => assert.fail() });
  const client = aClient({ process: { executable: 'two\nlines "quoted"' } });

  assert.equal(sink.accept(recordOf(anEvent({ client }))), undefined);
  assert.equal(sink.accept(recordOf(anEvent({ realtimeNs: 1_769_860_800_000_000_001n }))), undefined);

  const lines = String(stream.read()).trimEnd().split('\n');
  assert.equal(lines.length, 2);
  const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(Object.keys(first ?? {}), ['timestamp', 'event_name', 'severity_number', 'body', 'attributes']);
  assert.equal(first?.['timestamp'], '2026-01-31T12:00:00.123456789Z');
  assert.equal(second?.['timestamp'], '2026-01-31T12:00:00.000000001Z');
  assert.equal(first['event_name'], 'xe.vm.rebind_error');
  assert.equal(first['severity_number'], 17);
  const attributes = first['attributes'] as Record<string, unknown>;
  assert.equal(attributes['process.executable.name'], 'two\nlines "quoted"');
  assert.equal(attributes['xe.vm.errno'], -12);
});

test('a reader that does not read costs lines, not memory', () => {
  const { stream, release, taken } = stalled();
  const sink = new StdoutSink(stream, { lost: () => assert.fail(), maxBacklogBytes: 10_000 });
  const answers = Array.from({ length: 1000 }, (_, index) => sink.accept(recordOf(anEvent({ sequence: index + 1 }))));

  assert.ok(stream.writableLength < 12_000, `backlog ${stream.writableLength}`);
  assert.equal(answers.at(-1), 'queue_full');
  release();
  const delivered = taken().trimEnd().split('\n').length;
  assert.equal(delivered + answers.filter((answer) => answer === 'queue_full').length, 1000);
  assert.equal(sink.accept(recordOf(anEvent())), undefined, 'takes events again');
});

test('a reader that goes away (EPIPE) is no crash', async () => {
  const stream = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  });
  let lost = 0;
  const sink = new StdoutSink(stream, { lost: () => lost++ });
  assert.equal(sink.accept(recordOf(anEvent())), undefined);
  await new Promise((resolve) => stream.once('close', resolve));
  assert.equal(lost, 1, 'the line that was taken');
  assert.equal(sink.accept(recordOf(anEvent())), 'closed');
  await sink.close(10);
});

test('close waits for the reader, but not for ever, and only once', async () => {
  const stuck = stalled();
  const sink = new StdoutSink(stuck.stream, { lost: () => assert.fail() });
  sink.accept(recordOf(anEvent()));
  await inTime(sink.close(20), 'the sink');
  assert.equal(sink.close(20), sink.close(20));
  assert.equal(sink.accept(recordOf(anEvent())), 'closed');

  const slow = stalled();
  const patient = new StdoutSink(slow.stream, { lost: () => assert.fail() });
  patient.accept(recordOf(anEvent()));
  const closing = patient.close(60_000);
  slow.release();
  await closing;
  assert.equal(slow.stream.writableLength, 0);
  assert.equal(slow.stream.destroyed, false, 'the stream is not ours to close');
});
