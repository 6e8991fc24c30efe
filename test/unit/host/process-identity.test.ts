import assert from 'node:assert/strict';
import { test } from 'node:test';
import { creationTime, executableName, readBootTime } from '../../../exporter/host/process-identity.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';

test('boot time and ticks make the wall-clock start', async (t) => {
  const tree = new FixtureTree(t);
  tree.file('stat', 'cpu  1 2 3\nbtime 1769860800\nprocesses 5\n');
  const bootTime = await readBootTime(tree.root);
  assert.equal(bootTime, 1_769_860_800);
  assert.equal(creationTime(0n, bootTime), '2026-01-31T12:00:00.000Z');
  assert.equal(creationTime(12_345n, bootTime), '2026-01-31T12:02:03.450Z');
});

test('without a boot time there is no start; a wild one does not throw', async (t) => {
  const tree = new FixtureTree(t);
  assert.equal(await readBootTime(tree.root), undefined);
  tree.file('stat', 'btime soon\n');
  assert.equal(await readBootTime(tree.root), undefined);
  assert.equal(creationTime(5n, undefined), undefined);
  assert.equal(creationTime(2n ** 63n, 1), undefined);
});

test('the executable is the base name of the link, also when it was deleted', async (t) => {
  const tree = new FixtureTree(t);
  tree.link('1/exe', '/usr/bin/python3.12');
  tree.link('2/exe', '/tmp/build/a.out (deleted)');
  tree.link('3/exe', '/odd/name (deleted) here');
  assert.equal(await executableName(tree.root, 1, 'comm'), 'python3.12');
  assert.equal(await executableName(tree.root, 2, 'comm'), 'a.out');
  assert.equal(await executableName(tree.root, 3, 'comm'), 'name (deleted) here');
});

test('where the link cannot be read it is the comm', async (t) => {
  const tree = new FixtureTree(t);
  tree.file('4/exe', 'not a link');
  tree.link('5/exe', '/');
  assert.equal(await executableName(tree.root, 3, 'trainer'), 'trainer');
  assert.equal(await executableName(tree.root, 4, 'trainer'), 'trainer');
  assert.equal(await executableName(tree.root, 5, 'trainer'), 'trainer');
});

test('a hostile comm stays one name', async () => {
  assert.equal(await executableName('/nonexistent', 1, 'x (deleted)'), 'x');
  assert.equal(await executableName('/nonexistent', 1, '../../etc'), 'etc');
  assert.equal(await executableName('/nonexistent', 1, '/'), '/');
});
