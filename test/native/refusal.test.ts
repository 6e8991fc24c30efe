import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { NativeFailure } from '../../exporter/native/binding.js';
import { addon, makeReader, numbered, watchFds } from './harness.js';

const EINVAL = 22;
const ENODEV = 19;
const ENOPKG = 65;

/** What this machine's kernel says to a notification pipe; undefined where it has them. */
const pipeRefusal = addon.probePipe();

test('a kernel without notification pipes refuses with one of the known errors', { skip: !pipeRefusal }, () => {
  assert.equal(pipeRefusal?.operation, 'pipe2');
  assert.ok([ENOPKG, EINVAL].includes(pipeRefusal.errno));
});

test('opening on such a kernel returns the refusal, again and again, and leaves nothing open', async (t) => {
  if (!pipeRefusal) return t.skip('this kernel has notification pipes');
  const nothingLeftOpen = watchFds();
  const reader = makeReader({ backend: 'linux' });
  for (let i = 0; i < 3; i++) assert.deepEqual(reader.open(64), pipeRefusal);
  assert.deepEqual(reader.post(0, numbered(0)), { operation: 'post', errno: 9 });
  reader.close();
  await nothingLeftOpen();
});

test('a linux reader reads nothing it was posted from here', (t) => {
  if (pipeRefusal) return t.skip('this kernel has no notification pipes');
  const reader = makeReader({ backend: 'linux' });
  t.after(() => reader.close());
  assert.equal(reader.open(64), 0);
  assert.deepEqual(reader.post(0, numbered(0)), { operation: 'post', errno: ENODEV });
});

test('a probe says why it could not be carried out', async () => {
  const nothingLeftOpen = watchFds();
  const { failure, attachErrno, repeatErrno, removalSeen } = await addon.probe('/dev/null', 0x4010644f, 0xa5);
  assert.deepEqual(failure, pipeRefusal ?? { operation: 'version', errno: 25 });
  assert.deepEqual({ attachErrno, repeatErrno, removalSeen }, { attachErrno: 0, repeatErrno: 0, removalSeen: false });
  await nothingLeftOpen();
});

test('every system call of open can run out of descriptors, and the reader works once there are some', () => {
  const child = new URL('children/out-of-fds.js', import.meta.url).pathname;
  // A limit of its own: the program fills its table, then gives one descriptor back at a time.
  const { stdout, stderr, status } = spawnSync('sh', ['-c', 'ulimit -n 64; exec "$0" "$1"', process.execPath, child], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(status, 0, stderr);
  const { refusals, readAfterwards } = JSON.parse(stdout) as { refusals: NativeFailure[]; readAfterwards: boolean };
  assert.deepEqual(
    refusals.map(({ operation }) => operation),
    ['epoll_create1', 'eventfd', 'pipe2', 'pipe2'],
  );
  assert.ok(
    refusals.every(({ errno }) => errno === 24),
    'EMFILE',
  );
  assert.ok(readAfterwards);
});

test('raising the descriptor limit never lowers it', () => {
  const now = addon.raiseFdLimit(0);
  assert.ok(now.soft > 0 && now.soft <= now.hard);
  assert.deepEqual(addon.raiseFdLimit(now.soft - 1), now);
  assert.deepEqual(addon.raiseFdLimit(0xffffffff), { soft: now.hard, hard: now.hard });
});
