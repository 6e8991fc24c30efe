import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FileCopy, NativeFailure } from '../../exporter/native/binding.js';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { waitFor } from '../helpers/wait-for.js';
import { addon } from './harness.js';

type Answer = string | NativeFailure;
const CHUNK = 256 * 1024;

function start(t: { after(fn: () => void): void }, given: Partial<FileCopy>) {
  const tree = new FixtureTree(t);
  const paths = { path: join(tree.root, 'from'), to: join(tree.root, 'to') };
  const copy: FileCopy = { kind: 'copy', ...paths, mostBytes: 1n << 30n, bytesPerSecond: 1n << 40n, ...given };
  let answer: Answer | undefined;
  return {
    ...copy,
    begin() {
      const cancel = addon.startReads([copy], (_index, result) => {
        answer = result instanceof Uint8Array ? Buffer.from(result).toString() : result;
      });
      assert.ok(typeof cancel === 'function');
      return cancel;
    },
    answered: () => answer,
    answer: () => waitFor(() => answer, { what: 'the answer' }),
  };
}

test('a copy has every byte, belongs to its user alone, and replaces nothing', async (t) => {
  const copy = start(t, {});
  // More than a chunk, and not a whole number of them.
  const content = Buffer.alloc(3 * CHUNK + 17, 'dump of a GPU\n');
  writeFileSync(copy.path, content);
  copy.begin();
  assert.equal(await copy.answer(), 'whole');
  assert.ok(readFileSync(copy.to).equals(content));
  assert.equal(statSync(copy.to).mode & 0o777, 0o600);
  const again = start(t, { path: copy.path, to: copy.to });
  again.begin();
  assert.deepEqual(await again.answer(), { operation: 'create', errno: 17 });
});

for (const [name, size, most, expected] of [
  ['an empty file', 0, 4096, 'whole'],
  ['exactly what is allowed', 2 * CHUNK, 2 * CHUNK, 'whole'],
  ['one byte more than is allowed', 2 * CHUNK + 1, 2 * CHUNK, 'cut'],
  ['more than is allowed, within a chunk', 5000, 4096, 'cut'],
] as const) {
  test(`${name} is ${expected}`, async (t) => {
    const copy = start(t, { mostBytes: BigInt(most) });
    writeFileSync(copy.path, Buffer.alloc(size));
    copy.begin();
    assert.equal(await copy.answer(), expected);
    assert.equal(statSync(copy.to).size, Math.min(size, most));
  });
}

test('a file that never ends is cut', async (t) => {
  const copy = start(t, { path: '/dev/zero', mostBytes: 3n << 20n });
  copy.begin();
  assert.equal(await copy.answer(), 'cut');
  assert.equal(statSync(copy.to).size, 3 << 20);
});

test('a copy keeps to its rate, and ends when it is cancelled', async (t) => {
  const copy = start(t, { bytesPerSecond: BigInt(CHUNK) });
  writeFileSync(copy.path, '');
  truncateSync(copy.path, 3600 * CHUNK);
  const cancel = copy.begin();
  await waitFor(() => existsSync(copy.to) && statSync(copy.to).size >= 2 * CHUNK, { what: 'the second chunk' });
  assert.equal(copy.answered(), undefined);
  cancel();
  assert.deepEqual(await copy.answer(), { operation: 'cancelled', errno: 125 });
  assert.ok(statSync(copy.to).size < 100 * CHUNK, `${statSync(copy.to).size} bytes in seconds`);
});

test('what waits for its first byte has no file yet, and makes none once it was cancelled', async (t) => {
  const copy = start(t, {});
  execFileSync('mkfifo', [copy.path]);
  const writer = openSync(copy.path, 'r+');
  const cancel = copy.begin();
  cancel();
  writeSync(writer, 'captured at last');
  closeSync(writer);
  assert.deepEqual(await copy.answer(), { operation: 'cancelled', errno: 125 });
  assert.ok(!existsSync(copy.to));
});

test('refusals say what was refused', async (t) => {
  const refused = async (given: Partial<FileCopy>): Promise<unknown> => {
    const copy = start(t, given);
    if (given.path === undefined) writeFileSync(copy.path, 'x');
    copy.begin();
    return copy.answer();
  };
  assert.deepEqual(await refused({ path: '/nonexistent' }), { operation: 'open', errno: 2 });
  assert.deepEqual(await refused({ path: '/' }), { operation: 'read', errno: 21 });
  assert.deepEqual(await refused({ to: '/nonexistent/to' }), { operation: 'create', errno: 2 });
  assert.deepEqual(await refused({ to: '/dev/full' }), { operation: 'create', errno: 17 });
  assert.throws(() => start(t, { bytesPerSecond: 0n }).begin(), /bytesPerSecond must not be 0/);
  assert.throws(() => start(t, { mostBytes: -1n }).begin(), TypeError);
});
