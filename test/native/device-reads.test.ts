import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { DeviceRead, NativeFailure } from '../../exporter/native/binding.js';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { waitFor } from '../helpers/wait-for.js';
import { addon, threadNames, watchFds } from './harness.js';

type Result = string | NativeFailure;

class Reads {
  readonly results: Result[] = [];
  readonly cancel: () => void;
  readonly #wanted: number;

  constructor(...reads: DeviceRead[]) {
    this.#wanted = reads.length;
    const cancel = addon.startReads(reads, (index, result) => {
      assert.equal(index, this.results.length, 'in order');
      this.results.push(result instanceof Uint8Array ? Buffer.from(result).toString() : result);
    });
    assert.equal(typeof cancel, 'function');
    this.cancel = cancel as () => void;
  }

  async all(): Promise<readonly Result[]> {
    await waitFor(() => this.results.length === this.#wanted, { what: 'all results' });
    return this.results;
  }
}

const file = (path: string): DeviceRead => ({ kind: 'file', path });

/** Opening it hangs until somebody else does, too. */
function fifo(t: TestContext): string {
  const path = join(new FixtureTree(t).root, 'fifo');
  execFileSync('mkfifo', [path]);
  return path;
}

/** Lets whoever hangs there go on, or who comes to it later, until that has shown. */
function release(path: string, what: string, done: () => boolean): Promise<unknown> {
  return waitFor(
    () => {
      closeSync(openSync(path, 'r+'));
      return done();
    },
    { what },
  );
}

/** An open character device of this process: /dev/null. */
function nullRead(t: TestContext, given: Partial<Extract<DeviceRead, { kind: 'fdinfo' }>> = {}): DeviceRead {
  const fd = openSync('/dev/null', 'r');
  t.after(() => closeSync(fd));
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const startTime = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!);
  const awake = { procRoot: '/proc', runtimeStatus: '/nonexistent' };
  return { kind: 'fdinfo', pid: process.pid, startTime, fd, major: 1, minor: 3, ...awake, ...given };
}

test('reads in order, refusals among them', async (t) => {
  const tree = new FixtureTree(t);
  tree.file('a', 'one');
  tree.file('b', '');
  const reads = new Reads(
    file(join(tree.root, 'a')),
    file('/nonexistent'),
    file(tree.root),
    file(join(tree.root, 'b')),
  );
  assert.deepEqual(await reads.all(), ['one', { operation: 'open', errno: 2 }, { operation: 'read', errno: 21 }, '']);
  assert.deepEqual(await new Reads().all(), []);
});

test('a file without an end is cut', async () => {
  const [content] = await new Reads(file('/dev/zero')).all();
  assert.equal((content as string).length, 64 * 1024);
});

test('the fdinfo of that file of that process, and of no other', async (t) => {
  const [content] = await new Reads(nullRead(t)).all();
  assert.match(content as string, /^pos:\t0\nflags:/);
  const gone = spawn('true');
  await once(gone, 'exit');
  const refusals = await new Reads(
    nullRead(t, { minor: 5 }),
    nullRead(t, { startTime: 1n }),
    nullRead(t, { fd: 1_000_000 }),
    nullRead(t, { pid: gone.pid! }),
    nullRead(t, { procRoot: '/nonexistent' }),
  ).all();
  assert.deepEqual(refusals, [
    { operation: 'device', errno: 19 },
    { operation: 'identity', errno: 3 },
    { operation: 'fstat', errno: 2 },
    { operation: 'open', errno: 2 },
    { operation: 'open', errno: 2 },
  ]);
});

test('what would wake a sleeping device is not done', async (t) => {
  const tree = new FixtureTree(t);
  const status = join(tree.root, 'runtime_status');
  const regions: DeviceRead = {
    kind: 'mem_regions',
    renderNode: '/dev/null',
    major: 226,
    minor: 128,
    runtimeStatus: status,
  };
  for (const asleep of ['suspended\n', 'suspending\n', 'resuming\n', 'error\n', '']) {
    writeFileSync(status, asleep);
    const refusal = { operation: 'asleep', errno: 11 };
    assert.deepEqual(
      await new Reads(nullRead(t, { runtimeStatus: status }), regions).all(),
      [refusal, refusal],
      asleep,
    );
  }
  for (const awake of ['active\n', 'unsupported\n']) {
    writeFileSync(status, awake);
    const [content, device] = await new Reads(nullRead(t, { runtimeStatus: status }), regions).all();
    assert.match(content as string, /^pos:/, awake);
    assert.deepEqual(device, { operation: 'device', errno: 19 }, 'no render node');
  }
});

test('a device that knows no such query says so', async () => {
  const read: DeviceRead = { kind: 'mem_regions', renderNode: '/dev/null', major: 1, minor: 3, runtimeStatus: '' };
  assert.deepEqual(await new Reads(read).all(), [{ operation: 'device_query', errno: 25 }]);
});

test('a read that hangs keeps nobody waiting, and the rest can be called off', async (t) => {
  const path = fifo(t);
  const reads = new Reads(file('/proc/self/comm'), file(path), file('/proc/self/comm'));
  await waitFor(() => reads.results.length === 1, { what: 'the first result' });
  const pool = await Promise.all(Array.from({ length: 8 }, () => addon.scanDrmFds('/proc', 226, new Uint32Array([1]))));
  assert.equal(pool.length, 8);
  reads.cancel();
  await release(path, 'all results', () => reads.results.length === 3);
  const all = await reads.all();
  assert.deepEqual(all.slice(1), ['', { operation: 'cancelled', errno: 125 }]);
  reads.cancel();
});

test('nothing is left open, and no thread', async (t) => {
  const tree = new FixtureTree(t);
  tree.file('a', 'one');
  await new Reads(file(join(tree.root, 'a'))).all();
  const nothingLeftOpen = watchFds();
  for (let i = 0; i < 50; i++) await new Reads(file(join(tree.root, 'a')), file('/nonexistent')).all();
  await nothingLeftOpen();
  await waitFor(noReadThread, { what: 'the threads to end' });
});

test('a worker ends while its read hangs, and the read may end later', async (t) => {
  const path = fifo(t);
  const worker = new Worker(fileURLToPath(new URL('children/hanging-read.js', import.meta.url)), { workerData: path });
  await once(worker, 'message');
  await worker.terminate();
  await release(path, 'the end of the thread', noReadThread);
});

test('a process ends while its read hangs, by itself and by process.exit', async (t) => {
  for (const how of ['by itself', 'exit']) {
    const script = fileURLToPath(new URL('children/hanging-read.js', import.meta.url));
    const child = spawn(process.execPath, [script, fifo(t), how], { stdio: 'inherit' });
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 0, how);
  }
});

test('wrong arguments are refused before anything is read', () => {
  const start = addon.startReads as (...args: unknown[]) => unknown;
  for (const args of [
    [],
    [[]],
    [{}, () => 0],
    [[null], () => 0],
    [[{}], () => 0],
    [[{ kind: 'other', path: '/' }], () => 0],
    [[{ kind: 'file' }], () => 0],
    [[{ kind: 'fdinfo', procRoot: '/proc', runtimeStatus: '' }], () => 0],
    [[{ kind: 'mem_regions', renderNode: '/dev/null' }], () => 0],
  ]) {
    assert.throws(() => start(...args), TypeError, JSON.stringify(args));
  }
});

function noReadThread(): boolean {
  return !threadNames().includes('xe-read');
}
