import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { waitFor } from '../helpers/wait-for.js';
import { childProgram, runChild } from './child-process.js';
import { addon, contents, drainAll, makeReader, manyNumbered, numbered, watchFds, opened } from './harness.js';

const EBADF = 9;

function isRefused(result: unknown): boolean {
  return typeof result === 'object';
}

test('close twice is close once, and afterwards everything is refused', async () => {
  const reader = makeReader();
  const pipe = opened(reader.open(32));
  reader.close();
  reader.close();
  assert.deepEqual(reader.open(32), { operation: 'open', errno: EBADF });
  assert.deepEqual(reader.post(pipe, numbered(0)), { operation: 'post', errno: EBADF });
  assert.deepEqual(reader.setFilter(pipe, new Uint32Array()), { operation: 'set_filter', errno: EBADF });
  const request = { pid: 1, startTime: 1n, fd: 0, major: 226, minor: 128, pipe, watchId: 0, request: 0 };
  assert.deepEqual(await reader.borrow(request), { operation: 'watch', errno: EBADF });
  assert.equal(reader.drain(new Uint8Array(addon.minDrainBytes)), 0);
});

test('close before any pipe was opened', () => {
  makeReader().close();
});

test('close during a read, from the callback and from outside', async () => {
  for (let round = 0; round < 200; round++) {
    const reader = makeReader({ onReady: () => reader.close() });
    const pipe = opened(reader.open(512));
    reader.post(pipe, manyNumbered(0, 512));
    reader.post(pipe, manyNumbered(512, 512));
    if (round % 2 === 0) reader.close();
    else await waitFor(() => isRefused(reader.post(pipe, numbered(0))), { what: 'the callback to close the reader' });
    assert.deepEqual(contents(drainAll(reader)).slice(0, 3), [0, 1, 2]);
  }
});

test('borrows under way when the reader closes still resolve', async () => {
  for (let round = 0; round < 50; round++) {
    const reader = makeReader();
    const pipe = opened(reader.open(32));
    const request = { pid: 1, startTime: 1n, fd: 0, major: 226, minor: 128, pipe, watchId: 0, request: 0 };
    const borrows = Array.from({ length: 20 }, () => reader.borrow(request));
    reader.close();
    for (const result of await Promise.all(borrows)) {
      assert.ok(result === undefined || (result.operation === 'watch' && result.errno === EBADF));
    }
  }
});

test('no file descriptor and no thread outlives its reader', async () => {
  const nothingLeftOpen = watchFds();
  for (let round = 0; round < 50; round++) {
    const reader = makeReader();
    for (let i = 0; i < 5; i++) opened(reader.open(32));
    assert.deepEqual(reader.open(0), { operation: 'set_size', errno: 22 });
    reader.close();
  }
  await nothingLeftOpen();
});

test('a closed reader can be collected, an open one is not', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const open: WeakRef<object>[] = [];
  const closed: WeakRef<object>[] = [];
  let closeAll: (() => void)[] = [];
  for (let i = 0; i < 10; i++) {
    const reader = makeReader();
    if (i % 2 === 0) {
      reader.close();
      closed.push(new WeakRef(reader));
    } else {
      open.push(new WeakRef(reader));
      const ref = new WeakRef(reader);
      closeAll.push(() => ref.deref()?.close());
    }
  }
  await waitFor(
    () => {
      collect();
      return closed.every((ref) => ref.deref() === undefined);
    },
    { what: 'closed readers to be collected' },
  );
  assert.ok(open.every((ref) => ref.deref() !== undefined));
  for (const close of closeAll) close();
  closeAll = [];
});

test('an open reader keeps the process alive, a closed one does not', async () => {
  const ended = await runChild('keep-alive');
  assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.output);
  assert.equal(ended.output, 'ready\nclosed\n');
});

for (const when of ['blocked', 'turning', 'in-callback', 'with-borrows']) {
  test(`process.exit() in a flood, ${when}`, async () => {
    const ended = await runChild('flood-and-exit', when);
    assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.output);
    assert.equal(ended.output, '');
  });
}

for (const thrown of ['error', 'null', 'undefined']) {
  test(`an onReady that throws ${thrown} is an uncaught exception, not an abort`, async () => {
    const unhandled = await runChild('throwing', thrown, 'unhandled');
    assert.deepEqual({ code: unhandled.code, signal: unhandled.signal }, { code: 1, signal: null }, unhandled.output);
    assert.match(unhandled.output, thrown === 'error' ? /Error: thrown from onReady/ : new RegExp(`^${thrown}$`, 'm'));
    const handled = await runChild('throwing', thrown, 'handled');
    assert.deepEqual({ code: handled.code, signal: handled.signal }, { code: 0, signal: null }, handled.output);
  });
}

function startWorker(...args: string[]): { worker: Worker; flooding: Promise<unknown>; failed: () => unknown } {
  const worker = new Worker(childProgram('flood-worker'), { argv: args });
  let failure: unknown;
  worker.on('error', (error) => (failure = error));
  const flooding = new Promise((resolve) => worker.once('message', resolve));
  return { worker, flooding, failed: () => failure };
}

for (const when of ['blocked', 'turning', 'with-borrows']) {
  test(`worker.terminate() in a flood, ${when}`, async () => {
    const nothingLeftOpen = watchFds();
    for (let round = 0; round < 10; round++) {
      const { worker, flooding, failed } = startWorker(when);
      await flooding;
      await worker.terminate();
      assert.equal(failed(), undefined);
    }
    await nothingLeftOpen();
  });
}

test('two workers and the main thread use it side by side', async (t) => {
  const workers = [startWorker('count'), startWorker('count')];
  const reader = makeReader();
  t.after(() => reader.close());
  const pipe = opened(reader.open(512));
  reader.post(pipe, manyNumbered(0, 300));
  const counted = await Promise.all(workers.map(({ flooding }) => flooding));
  assert.deepEqual(counted, [20_000, 20_000]);
  await waitFor(() => reader.stats().recordsRead === 300, { what: 'the main thread’s own records' });
  await Promise.all(workers.map(({ worker }) => worker.terminate()));
  assert.deepEqual(contents(drainAll(reader)).length, 300);
});
