import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { PciIds } from '../../../exporter/host/pci-ids.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';

/** In the form of pci.ids: other vendors before and after, subsystems below a device, classes at the end. */
const EXCERPT = [
  "#\tList of PCI ID's",
  '1002  Advanced Micro Devices, Inc. [AMD/ATI]',
  '\te20b  not of Intel',
  '8086  Intel Corporation',
  '\t56c0  ATS-M [Data Center GPU Flex 170]',
  '\t\t8086 e20b  a subsystem',
  '\te20b  Battlemage G21 [Arc B580]',
  '\t64a0  Lunar Lake [Intel Arc Graphics 130V / 140V]',
  '8087  Intel Corp.',
  '\tffff  not of this Intel',
  'C 03  Display controller',
  '\t00  VGA compatible controller',
].join('\n');

function idsOf(t: Pick<TestContext, 'after'>, content: string | Uint8Array): PciIds {
  const tree = new FixtureTree(t);
  writeFileSync(join(tree.root, 'pci.ids'), content);
  return new PciIds(['/nonexistent/pci.ids', tree.root, join(tree.root, 'pci.ids')]);
}

test('a model by its id, of Intel alone', (t) => {
  const ids = idsOf(t, EXCERPT);
  assert.equal(ids.intelModel('0xe20b'), 'Battlemage G21 [Arc B580]');
  assert.equal(ids.intelModel('0x56c0'), 'ATS-M [Data Center GPU Flex 170]');
  assert.equal(ids.intelModel('0x64a0'), 'Lunar Lake [Intel Arc Graphics 130V / 140V]');
  for (const id of ['0xffff', '0x0000', '', 'e20b', '0xE20B', '0xe20b0', '.*'])
    assert.equal(ids.intelModel(id), '', id);
});

test('no file, no name', () => {
  assert.equal(new PciIds([]).intelModel('0xe20b'), '');
  assert.equal(new PciIds(['/nonexistent', '/', '/proc/self/mem']).intelModel('0xe20b'), '');
});

test('an answer is kept: the file is not read again', (t) => {
  const tree = new FixtureTree(t);
  tree.file('pci.ids', EXCERPT);
  const ids = new PciIds([join(tree.root, 'pci.ids')]);
  assert.notEqual(ids.intelModel('0xe20b'), '');
  tree.remove('pci.ids');
  assert.equal(ids.intelModel('0xe20b'), 'Battlemage G21 [Arc B580]');
});

test('any bytes, lines without end, and characters across the bounds of a read', (t) => {
  const noise = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 7919) % 256);
  const name = 'Grafik\u00e9 '.repeat(20).trim();
  for (const padding of [0, 1, 2, 3, 5]) {
    const head = '#'.repeat(65_536 - 30 - padding);
    const ids = idsOf(t, Buffer.concat([Buffer.from(`${head}\n8086  Intel\n\te20b  ${name}\n`), noise]));
    assert.equal(ids.intelModel('0xe20b'), name);
  }
  assert.equal(idsOf(t, noise).intelModel('0xe20b'), '');
  const long = idsOf(t, `8086  Intel\n\te20b  ${'x'.repeat(300_000)}\n\t56c0  Flex\n`);
  assert.ok(long.intelModel('0xe20b').length < 256);
  assert.equal(long.intelModel('0x56c0'), 'Flex');
});
