import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { withDeadline } from '../../../exporter/time/deadline.js';
import { parseDrmFdinfo, readDrmFdinfo, type DrmFdinfoAnswer } from '../../../exporter/host/fdinfo.js';
import type { NativeAddon } from '../../../exporter/native/binding.js';
import { loadNative } from '../../../exporter/native/load.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';

const { EAGAIN, ENOENT } = constants.errno;
const text = (...lines: string[]) => ['pos:\t0', 'flags:\t02', ...lines, ''].join('\n');

async function read(native: Pick<NativeAddon, 'startReads'>, tree: FixtureTree, fds: readonly number[]) {
  const answers: DrmFdinfoAnswer[] = [];
  const files = fds.map((fd) => ({ pid: 42, fd }));
  const { done, cancel } = readDrmFdinfo(native, tree.root, files, (index, answer) => (answers[index] = answer));
  // The reads themselves keep no event loop alive.
  await withDeadline(10_000, done);
  return { answers, cancel };
}

test('reads drm files', async (t) => {
  const tree = new FixtureTree(t);
  tree.drmFdinfo(42, 7, 1234);
  tree.file('42/fdinfo/9', 'pos:\t0\n');
  const { answers, cancel } = await read(loadNative(), tree, [7, 8, 9]);
  assert.deepEqual(answers, [{ driver: 'xe', clientId: 1234 }, { operation: 'open', errno: ENOENT }, undefined]);
  cancel();
  assert.deepEqual((await read(loadNative(), tree, [])).answers, []);
});

test('without a thread every file has the refusal', async (t) => {
  const refusal = { operation: 'pthread_create', errno: EAGAIN };
  const { answers, cancel } = await read({ startReads: () => refusal }, new FixtureTree(t), [7, 8]);
  assert.deepEqual(answers, [refusal, refusal]);
  cancel();
});

test('a file of another kind, or without an id, is nobody', () => {
  assert.equal(parseDrmFdinfo(''), undefined);
  assert.equal(parseDrmFdinfo(text()), undefined);
  assert.equal(parseDrmFdinfo(text('drm-driver:\txe')), undefined);
  assert.equal(parseDrmFdinfo(text('drm-client-id:\t5')), undefined);
});

test('a device that is not on PCI has no drm-pdev', () => {
  assert.deepEqual(parseDrmFdinfo(text('drm-driver:\tpanfrost', 'drm-client-id:\t1')), {
    driver: 'panfrost',
    clientId: 1,
  });
});

test('ids that are no natural numbers are refused', () => {
  for (const id of ['-1', '1.5', 'x', '', '99999999999999999999', 'Infinity', '0x10']) {
    assert.equal(parseDrmFdinfo(text('drm-driver:\txe', `drm-client-id:\t${id}`)), undefined, id);
  }
});

test('a client name does not pass for another key, and an empty value does not take the next line', () => {
  const hostile = 'drm-client-name:\tdrm-client-id: 666 drm-driver: evil';
  assert.equal(parseDrmFdinfo(text('drm-driver:\txe', hostile, 'drm-client-id:\t7'))?.clientId, 7);
  assert.equal(parseDrmFdinfo(text('drm-driver:\t', 'xe', 'drm-client-id:\t7')), undefined);
  assert.equal(parseDrmFdinfo(text('xdrm-driver:\txe', 'drm-client-id-x:\t7')), undefined);
});
