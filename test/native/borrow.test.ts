import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { waitFor } from '../helpers/wait-for.js';
import { addon, makeReader, watchFds, opened } from './harness.js';

const EBADF = 9;
const ESRCH = 3;
const ENODEV = 19;
const devNull = { major: 1, minor: 3 };

let target: ChildProcess;
let pid = 0;
let startTime = 0n;

/** Field 22, counted from the last parenthesis like the addon does. */
function startTimeOf(process: number): bigint {
  const line = readFileSync(`/proc/${process}/stat`, 'latin1');
  return BigInt(line.slice(line.lastIndexOf(')') + 2).split(' ')[22 - 3] ?? '');
}

// Descriptor 0 is /dev/null, 1 a pipe, CLOSED none at all.
const CLOSED = 1000;

before(async () => {
  target = spawn('sleep', ['600'], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(target, 'spawn');
  pid = target.pid ?? 0;
  // Until exec, /proc shows the parent's image and descriptors.
  await waitFor(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n', { what: 'the child to run' });
  startTime = startTimeOf(pid);
});

after(() => {
  target.kill('SIGKILL');
});

test('a file of another process is borrowed and given back', async () => {
  const nothingLeftOpen = watchFds();
  const before = readdirSync(`/proc/${pid}/fd`);
  assert.equal(await addon.canBorrow({ pid, startTime, fd: 0, ...devNull }), undefined);
  await nothingLeftOpen();
  assert.deepEqual(readdirSync(`/proc/${pid}/fd`), before);
});

test('another process with the same pid is not touched', async () => {
  const result = await addon.canBorrow({ pid, startTime: startTime + 1n, fd: 0, ...devNull });
  assert.deepEqual(result, { operation: 'identity', errno: ESRCH });
});

test('a descriptor that is gone', async () => {
  const result = await addon.canBorrow({ pid, startTime, fd: CLOSED, ...devNull });
  assert.deepEqual(result, { operation: 'pidfd_getfd', errno: EBADF });
});

test('a number that belongs to another file by now', async () => {
  const refusal = { operation: 'device', errno: ENODEV };
  assert.deepEqual(await addon.canBorrow({ pid, startTime, fd: 1, ...devNull }), refusal);
  assert.deepEqual(await addon.canBorrow({ pid, startTime, fd: 0, major: 1, minor: 5 }), refusal);
  assert.deepEqual(await addon.canBorrow({ pid, startTime, fd: 0, major: 226, minor: 3 }), refusal);
});

test('a process that is gone, and numbers that are none', async () => {
  const gone = spawn('true');
  const gonePid = gone.pid ?? 0;
  await once(gone, 'exit');
  const request = { pid: gonePid, startTime, fd: 0, ...devNull };
  assert.deepEqual(await addon.canBorrow(request), { operation: 'pidfd_open', errno: ESRCH });
  assert.equal((await addon.canBorrow({ ...request, pid: 0 }))?.operation, 'pidfd_open');
  assert.equal((await addon.canBorrow({ ...request, pid: 0xffffffff }))?.operation, 'pidfd_open');
  assert.equal((await addon.canBorrow({ ...request, pid, fd: 0xffffffff }))?.operation, 'pidfd_getfd');
});

test('many borrows at once leave nothing open', async () => {
  const nothingLeftOpen = watchFds();
  const requests = Array.from({ length: 500 }, (_, i) => ({ pid, startTime, fd: i % 4, ...devNull }));
  await Promise.all(requests.map((request) => addon.canBorrow(request)));
  await nothingLeftOpen();
});

test('the fake grants every watch on an open pipe, and refuses without one', async (t) => {
  const reader = makeReader();
  t.after(() => reader.close());
  const pipe = opened(reader.open(32));
  const request = { pid, startTime, fd: 0, ...devNull, watchId: 255, request: 0x4010644f };
  assert.equal(await reader.borrow({ ...request, pipe }), undefined);
  assert.deepEqual(await reader.borrow({ ...request, pipe: pipe + 1 }), { operation: 'watch', errno: EBADF });
});

test('/dev/null is what this file takes it for', () => {
  const { rdev } = statSync('/dev/null');
  assert.deepEqual({ major: rdev >> 8, minor: rdev & 0xff }, devNull);
});
