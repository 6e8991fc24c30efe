import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { NativeMessageReader } from '../../exporter/native/binding.js';
import { waitFor } from '../helpers/wait-for.js';
import { runChild } from './child-process.js';
import { addon, watchFds } from './harness.js';
import {
  drainMessages,
  EBADF,
  ENODEV,
  ENOENT,
  EPERM,
  KMSG,
  Listener,
  makeMessageReader,
  UEVENT,
} from './message-harness.js';

const line = (sequence: number): Buffer => Buffer.from(`6,${sequence},1,-;xe 0000:03:00.0: ${sequence}`);

/** Posts numbered lines for `ms` without giving the event loop a turn; returns how many. */
function flood(reader: NativeMessageReader, ms: number): number {
  const until = performance.now() + ms;
  let posted = 0;
  while (performance.now() < until) for (let i = 0; i < 100; i++) if (reader.post(line(posted))) posted++;
  return posted;
}

test('each message has the times of its read', async (t) => {
  const before = [BigInt(Date.now()) * 1_000_000n, process.hrtime.bigint()] as const;
  const reader = makeMessageReader(KMSG);
  t.after(() => reader.close());
  assert.equal(reader.open(), undefined);
  reader.post(line(1));
  await waitFor(() => reader.stats().kept === 1, { what: 'the read' });
  const target = Buffer.alloc(addon.minDrainBytes);
  assert.equal(reader.drain(target), 32 + Math.ceil(line(1).length / 8) * 8);
  const [realtime, monotonic] = [target.readBigInt64LE(8), target.readBigInt64LE(16)];
  assert.ok(realtime >= before[0] - 1_000_000n && realtime <= BigInt(Date.now() + 1) * 1_000_000n);
  assert.ok(monotonic >= before[1] && monotonic <= process.hrtime.bigint());
});

for (const queueBytes of [1, 100, 4096, 100_001, 8 << 20]) {
  test(`a flood while JavaScript is busy adds up exactly, queue of ${queueBytes} bytes`, () => {
    let calls = 0;
    const reader = makeMessageReader({ ...KMSG, queueBytes, onReady: () => calls++ });
    assert.equal(reader.open(), undefined);
    const posted = flood(reader, 200);
    reader.close();
    const { read, kept, dropped, missing, queuedBytesPeak } = reader.stats();
    const drained = drainMessages(reader);
    assert.equal(calls, 0, 'no callback ran while JavaScript was busy');
    assert.equal(drained.length, kept - dropped, 'kept = drained + dropped');
    assert.ok(read <= posted && kept === read && missing === 0);
    assert.ok(queuedBytesPeak <= queueBytes);
    if (queueBytes < 4096) assert.ok(dropped > 0, 'the queue was too small, as meant');
  });
}

test('one call until it is drained, for messages and for losses', async (t) => {
  let calls = 0;
  const reader = makeMessageReader({ ...UEVENT, onReady: () => calls++ });
  t.after(() => reader.close());
  assert.equal(reader.open(), undefined);
  for (const round of [1, 2, 3]) {
    for (let i = 0; i < 10; i++) reader.postError(105, 2);
    reader.post(Buffer.from('x'));
    await waitFor(() => reader.stats().read === round && calls === round, { what: 'the call' });
    await sleep(10); // Nothing can be waited for: it is what must not come.
    assert.equal(calls, round);
    assert.deepEqual(drainMessages(reader), ['x']);
    assert.equal(reader.stats().missing, 20 * round);
  }
  reader.postError(105, 2);
  await waitFor(() => calls === 4, { what: 'the call for a loss alone' });
  assert.deepEqual(drainMessages(reader), []);
});

test('close twice is close once, what was read can be drained, and afterwards everything is refused', async () => {
  const nothingLeftOpen = watchFds();
  const reader = makeMessageReader(KMSG);
  assert.equal(reader.post(line(0)), false);
  assert.deepEqual(drainMessages(reader), []);
  assert.equal(reader.open(), undefined);
  assert.equal(reader.open(), undefined);
  reader.post(line(0));
  reader.close();
  reader.close();
  assert.equal(reader.stats().read, 1);
  assert.equal(drainMessages(reader).length, 1);
  assert.deepEqual([reader.post(line(1)), reader.postError(EPERM)], [false, false]);
  assert.deepEqual(reader.open(), { operation: 'open', errno: EBADF });
  makeMessageReader(UEVENT).close();
  await nothingLeftOpen();
});

test('close during a read, from the callback and from outside', async () => {
  for (let round = 0; round < 200; round++) {
    let calls = 0;
    const reader = makeMessageReader({
      ...KMSG,
      onReady: () => {
        calls++;
        reader.close();
      },
    });
    assert.equal(reader.open(), undefined);
    for (let i = 0; i < 500; i++) assert.ok(reader.post(line(i)));
    if (round % 3 === 0) reader.postError(ENODEV);
    if (round % 2 === 0) reader.close();
    else await waitFor(() => calls === 1, { what: 'the call' });
    assert.equal(drainMessages(reader).length, reader.stats().kept);
  }
});

test('what cannot be opened is a failure with its operation, and leaves nothing open', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xe-messages-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'file'), '6,1,1,-;xe\n');
  const nothingLeftOpen = watchFds();
  const refusal = (path: string) => {
    const reader = makeMessageReader({ ...KMSG, backend: 'linux', path });
    const failure = reader.open();
    assert.deepEqual(reader.open(), failure, 'and again');
    reader.close();
    return failure;
  };
  assert.deepEqual(refusal(join(folder, 'missing')), { operation: 'open', errno: ENOENT });
  for (const path of [folder, join(folder, 'file'), '/dev/null']) {
    assert.deepEqual(refusal(path), { operation: 'epoll_ctl', errno: EPERM });
  }
  await nothingLeftOpen();
});

test('wrong arguments are type errors', (t) => {
  const make = addon.MessageReader as unknown as new (options: unknown) => NativeMessageReader;
  const complete = { ...KMSG, keep: [], queueBytes: 1, onReady: () => {} };
  const wrong: [object, RegExp][] = [
    [{ protocol: 'pipe' }, /protocol must be 'kmsg', 'uevent' or 'trace'/],
    [{ backend: 'both' }, /backend must be 'linux' or 'fake'/],
    [{ path: 1 }, /options.path must be a string/],
    [{ sinceBoot: 1 }, /options.sinceBoot must be a boolean/],
    [{ protocol: 'uevent' }, /options.receiveBytes must be/],
    [{ keep: 'xe ' }, /options.keep must be an array/],
    [{ keep: ['xe ', 1] }, /options.keep must be a string/],
    [{ keep: [''] }, /options.keep must be without empty strings/],
    [{ queueBytes: 0 }, /options.queueBytes must be an integer of 1..1073741824/],
    [{ onReady: undefined }, /options.onReady must be a function/],
  ];
  for (const [change, message] of wrong) assert.throws(() => new make({ ...complete, ...change }), message);
  assert.throws(() => new make(undefined), /options must be an object/);
  const reader = new make(complete);
  t.after(() => reader.close());
  assert.throws(() => reader.drain(new Uint8Array(addon.minDrainBytes - 1)), /target must hold at least/);
  assert.throws(() => reader.post('x' as never), /message must be a Uint8Array/);
  assert.throws(() => reader.postError(0), /errno must be an integer of 1../);
  assert.throws(() => addon.readKernelRing(0), /maxBytes must be an integer of 1../);
});

test('an open reader keeps the process alive, also after a failure, a closed one does not', async () => {
  const ended = await runChild('message-keep-alive');
  assert.deepEqual({ code: ended.code, output: ended.output }, { code: 0, output: 'ready\nfailed\nclosed\n' });
});

for (const when of ['blocked', 'turning', 'in-callback']) {
  test(`process.exit() in a flood of messages, ${when}`, async () => {
    const ended = await runChild('message-flood', when, 'exit');
    assert.deepEqual(ended, { code: 0, signal: null, output: '' });
  });
}

const WORKER = new URL('children/message-flood.js', import.meta.url);

for (const when of ['blocked', 'turning']) {
  test(`worker.terminate() in a flood of messages, ${when}`, async () => {
    const nothingLeftOpen = watchFds();
    for (let round = 0; round < 10; round++) {
      const worker = new Worker(WORKER, { argv: [when] });
      let failure: unknown;
      worker.on('error', (error) => (failure = error));
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
      assert.equal(failure, undefined);
    }
    await nothingLeftOpen();
  });
}

test('two workers and the main thread read side by side', async (t) => {
  const workers = [0, 1].map(() => new Worker(WORKER, { argv: ['turning'] }));
  const listener = new Listener(t, KMSG);
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
  for (let i = 0; i < 1_000; i++) listener.log(i, 'x');
  await listener.settled({ kept: 1_000, missing: 0 });
  await Promise.all(workers.map((worker) => worker.terminate()));
  assert.equal(listener.messages.length, 1_000);
});
