import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDrmFdinfo, readDrmFdinfo } from '../../exporter/host/fdinfo.js';
import { FixtureTree } from '../helpers/fixture-tree.js';

const text = (...lines: string[]) => ['pos:\t0', 'flags:\t02', ...lines, ''].join('\n');

test('reads a drm file', async (t) => {
  const tree = new FixtureTree(t);
  tree.drmFdinfo(42, 7, 1234);
  assert.deepEqual(await readDrmFdinfo(tree.root, 42, 7), { driver: 'xe', clientId: 1234, pciBdf: '0000:03:00.0' });
  await assert.rejects(readDrmFdinfo(tree.root, 42, 8), { code: 'ENOENT' });
});

test('a file of another kind, or without an id, is nobody', () => {
  assert.equal(parseDrmFdinfo(''), undefined);
  assert.equal(parseDrmFdinfo(text()), undefined);
  assert.equal(parseDrmFdinfo(text('drm-driver:\txe')), undefined);
  assert.equal(parseDrmFdinfo(text('drm-client-id:\t5')), undefined);
});

test('a device that is not on PCI has no address', () => {
  assert.deepEqual(parseDrmFdinfo(text('drm-driver:\tpanfrost', 'drm-client-id:\t1')), {
    driver: 'panfrost',
    clientId: 1,
    pciBdf: undefined,
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
