import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { waitFor } from '../helpers/wait-for.js';
import { range } from './harness.js';
import { drainMessages, EIO, ENOENT, Listener, makeMessageReader } from './message-harness.js';

const ENODATA = 61;
const TRACE = { protocol: 'trace', backend: 'fake', path: '/sys/kernel/tracing/instances/x/trace_pipe' } as const;

/** A FIFO gives bytes as trace_pipe does: some, then EAGAIN. */
class Pipe {
  readonly path: string;
  readonly #fd: number;
  #open = true;

  constructor(t: { after(fn: () => void): void }) {
    const folder = mkdtempSync(join(tmpdir(), 'xe-trace-pipe-'));
    this.path = join(folder, 'trace_pipe');
    execFileSync('mkfifo', [this.path]);
    this.#fd = openSync(this.path, 'r+');
    t.after(() => {
      this.end();
      rmSync(folder, { recursive: true });
    });
  }

  write(text: string): void {
    writeSync(this.#fd, Buffer.from(text, 'latin1'));
  }

  end(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  listen(t: { after(fn: () => void): void }, keep: string[] = []): Listener {
    return new Listener(t, { protocol: 'trace', backend: 'linux', path: this.path, keep });
  }
}

test('lines arrive whole and in order, however the reads cut them', async (t) => {
  const pipe = new Pipe(t);
  const listener = pipe.listen(t);
  pipe.write('one\n\nthr');
  await listener.settled({ kept: 2 });
  pipe.write('ee');
  pipe.write('\n');
  await listener.settled({ kept: 3 });
  pipe.write('\xff\0four\nfi');
  await listener.settled({ read: 4, kept: 4, missing: 0 });
  assert.deepEqual(listener.messages, ['one', '', 'three', '\xff\0four']);
});

test('many lines in one write lose nothing', async (t) => {
  const pipe = new Pipe(t);
  const listener = pipe.listen(t);
  const lines = range(0, 20_000).map((n) => `${'x'.repeat(n % 97)} ${n}`);
  for (let at = 0; at < lines.length; at += 500) {
    pipe.write(lines.slice(at, at + 500).join('\n') + '\n');
    await waitFor(() => listener.messages.length === at + 500, { what: `line ${at + 500}` });
  }
  assert.deepEqual(listener.messages, lines);
});

test('lines that come one by one are read together: the reader rests between two looks', async (t) => {
  const pipe = new Pipe(t);
  const listener = pipe.listen(t);
  const begin = performance.now();
  for (const n of range(0, 500)) {
    pipe.write(`${n}\n`);
    await setImmediate();
  }
  await listener.settled({ kept: 500, missing: 0 });
  const shortestRestMs = 2;
  const looks = 2 + (performance.now() - begin) / shortestRestMs;
  assert.ok(listener.calls <= looks, `${listener.calls} calls, and at most ${looks} looks`);
  assert.deepEqual(listener.messages, range(0, 500).map(String));
});

test('a reader that rests is closed at once, with what came meanwhile', async (t) => {
  const pipe = new Pipe(t);
  const messages: string[] = [];
  const reader = makeMessageReader({
    protocol: 'trace',
    backend: 'linux',
    path: pipe.path,
    onReady: () => messages.push(...drainMessages(reader)),
  });
  assert.equal(reader.open(), undefined);
  pipe.write('one\n');
  await waitFor(() => messages.length === 1, { what: 'the first line' });
  pipe.write('two\n');
  reader.close();
  assert.deepEqual(drainMessages(reader), ['two']);
});

test('a line longer than any of the kernel’s counts as lost, and the next one is read', async (t) => {
  const pipe = new Pipe(t);
  const listener = pipe.listen(t);
  const longest = 'l'.repeat(16 * 1024 - 1);
  pipe.write(`before\n${longest}\n`);
  await listener.settled({ kept: 2, missing: 0 });
  for (const bytes of [16 * 1024, 16 * 1024 + 1, 40_000]) {
    pipe.write('o'.repeat(bytes));
    pipe.write('\n');
  }
  pipe.write('after\n');
  await listener.settled({ kept: 3, read: 3, missing: 3, lossNotices: 3 });
  assert.deepEqual(listener.messages, ['before', longest, 'after']);
});

test('only lines with one of the strings are kept', async (t) => {
  const pipe = new Pipe(t);
  const listener = pipe.listen(t, [': xe_vm_']);
  pipe.write('a-1 [000] 1.0: xe_vm_kill: dev=x\na-1 [000] 1.0: sched_switch: x\n');
  await listener.settled({ read: 2, kept: 1, unwanted: 1, foreign: 0 });
});

test('what the ring has overwritten is counted as the kernel says it', async (t) => {
  const pipe = new Pipe(t);
  const listener = pipe.listen(t);
  pipe.write('CPU:1 [LOST 5 EVENTS]\none\nCPU:12 [LOST 1200 EVENTS]\nCPU:0 [LOST EVENTS]\n');
  await listener.settled({ read: 1, kept: 1, lossNotices: 3, missing: 5 + 1200 + 1 });
  for (const other of ['xCPU:1 [LOST 5 EVENTS]', 'CPU:1 [LOST 5 EVENTS] x', 'CPU:1', 'CPU:1 LOST 5 EVENTS]', '']) {
    pipe.write(`${other}\n`);
  }
  await listener.settled({ read: 6, kept: 6, lossNotices: 3 });
});

test('a pipe that has ended for good is given up, after what was in it', async (t) => {
  const pipe = new Pipe(t);
  const listener = pipe.listen(t);
  pipe.write('last\n');
  pipe.end();
  await waitFor(() => listener.seen?.failure, { what: 'the failure' });
  assert.deepEqual(listener.seen?.failure, { operation: 'read', errno: ENODATA });
  assert.deepEqual(listener.messages, ['last']);
});

test('the fake gives a line a post', async (t) => {
  const listener = new Listener(t, TRACE);
  listener.post('one');
  listener.post('o'.repeat(20_000));
  listener.post('two');
  await listener.settled({ kept: 2, missing: 1 });
  assert.deepEqual(listener.messages, ['one', 'two']);
  listener.reader.postError(EIO);
  await waitFor(() => listener.seen?.failure, { what: 'the failure' });
  assert.deepEqual(listener.seen?.failure, { operation: 'read', errno: EIO });
});

test('a trace_pipe that is not there is a refusal', () => {
  const reader = makeMessageReader({ ...TRACE, backend: 'linux', path: '/nonexistent/trace_pipe' });
  assert.deepEqual(reader.open(), { operation: 'open', errno: ENOENT });
  reader.close();
});
