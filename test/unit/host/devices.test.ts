import assert from 'node:assert/strict';
import { statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { listXeDevices } from '../../../exporter/host/devices.js';
import { PciIds } from '../../../exporter/host/pci-ids.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';

test('without the driver there are no devices', (t) => {
  assert.deepEqual(listXeDevices(new FixtureTree(t).root), []);
  assert.deepEqual(listXeDevices('/nonexistent'), []);
});

test('a device with its nodes and identity', (t) => {
  const tree = new FixtureTree(t);
  tree.xeDevice(
    '0000:03:00.0',
    { card10: '226:10', renderD129: '226:129' },
    { numa_node: '-1', serial_number: '88-88-88-88-87-88-88-88', 'power/runtime_status': 'active' },
  );
  tree.file('module/xe/version', '1.1.0\n');
  const [device, ...more] = listXeDevices(tree.root, new PciIds([]));
  assert.deepEqual(more, []);
  assert.deepEqual(device, {
    pciBdf: '0000:03:00.0',
    card: 'card10',
    render: 'renderD129',
    cardMinor: 10,
    renderMinor: 129,
    vendorId: '0x8086',
    deviceId: '0xe20b',
    model: '',
    driverVersion: '1.1.0',
    serial: '88-88-88-88-87-88-88-88',
    physicalFunction: '',
    numaNode: -1,
    binding: statSync(join(tree.root, 'bus/pci/drivers/xe/0000:03:00.0/drm')).ino,
  });
  assert.ok(Object.isFrozen(device));
});

test('minors are read, not computed: past 64 nodes of a kind they are dynamic', (t) => {
  const tree = new FixtureTree(t);
  tree.xeDevice('0000:03:00.0', { card64: '226:192', renderD192: '226:300' });
  const [device] = listXeDevices(tree.root);
  assert.equal(device?.cardMinor, 192);
  assert.equal(device?.renderMinor, 300);
});

test('a device in survivability mode is bound and has no nodes', (t) => {
  const tree = new FixtureTree(t);
  tree.xeDevice('0000:03:00.0', {});
  const [device] = listXeDevices(tree.root);
  assert.deepEqual(
    [device?.pciBdf, device?.card, device?.render, device?.cardMinor, device?.renderMinor],
    ['0000:03:00.0', undefined, undefined, undefined, undefined],
  );
});

test('devices come in the order of their addresses; what is no address is no device', (t) => {
  const tree = new FixtureTree(t);
  for (const bdf of ['0000:83:00.0', '0000:03:00.0', '10000:e1:00.1']) tree.xeDevice(bdf, {});
  for (const name of ['bind', 'unbind', 'new_id', 'uevent']) tree.file(`bus/pci/drivers/xe/${name}`, '');
  for (const name of ['module', '0000:03:00.8', '..evil', '0000:03:00.0\nx', '{"a":1}', '0000:0G:00.0']) {
    tree.directory(`bus/pci/drivers/xe/${name}`);
  }
  assert.deepEqual(
    listXeDevices(tree.root).map(({ pciBdf }) => pciBdf),
    ['0000:03:00.0', '0000:83:00.0', '10000:e1:00.1'],
  );
});

test('nodes with other names are not taken for card or render', (t) => {
  const tree = new FixtureTree(t);
  tree.xeDevice('0000:03:00.0', { 'card0-DP-1': '226:7', controlD64: '226:64', renderD128x: '226:9', card1: '226:1' });
  const [device] = listXeDevices(tree.root);
  assert.deepEqual([device?.card, device?.cardMinor, device?.render], ['card1', 1, undefined]);
});

test('unreadable and strange attributes count as absent', (t) => {
  const tree = new FixtureTree(t);
  tree.xeDevice('0000:03:00.0', { card0: '29:0', renderD128: 'garbage' });
  for (const name of ['vendor', 'device', 'numa_node']) {
    tree.remove(`bus/pci/drivers/xe/0000:03:00.0/${name}`);
    tree.directory(`bus/pci/drivers/xe/0000:03:00.0/${name}`); // reading it is EISDIR
  }
  const [device] = listXeDevices(tree.root);
  assert.deepEqual(
    [device?.card, device?.cardMinor, device?.renderMinor, device?.vendorId, device?.deviceId, device?.numaNode],
    ['card0', undefined, undefined, '', '', -1],
  );
});

test('a serial number is read of a device that is awake, and believed if it looks like one', (t) => {
  const serialOf = (attributes: Readonly<Record<string, string>>): string | undefined => {
    const tree = new FixtureTree(t);
    tree.xeDevice('0000:03:00.0', {}, attributes);
    return listXeDevices(tree.root)[0]?.serial;
  };
  const [serial, awake] = ['88-88-88-88-87-88-88-88', 'active'];
  assert.equal(serialOf({ serial_number: serial, 'power/runtime_status': awake }), serial);
  assert.equal(serialOf({ serial_number: serial, 'power/runtime_status': 'suspended' }), '', 'asleep');
  assert.equal(serialOf({ serial_number: serial }), '', 'power state unknown');
  for (const strange of ['ff-ff-ff-ff-ff-ff-ff-ff', '88', 'x"} 1', `${serial}-00`])
    assert.equal(serialOf({ serial_number: strange, 'power/runtime_status': awake }), '', strange);
});

test('a virtual function names the physical one', (t) => {
  const tree = new FixtureTree(t);
  for (const [name, target] of [
    ['0000:03:00.0', undefined],
    ['0000:03:00.1', '../0000:03:00.0'],
    ['0000:03:00.2', '../elsewhere'],
  ] as const) {
    tree.xeDevice(name, {});
    if (target !== undefined) symlinkSync(target, join(tree.root, `bus/pci/drivers/xe/${name}/physfn`));
  }
  assert.deepEqual(
    listXeDevices(tree.root).map(({ physicalFunction }) => physicalFunction),
    ['', '0000:03:00.0', ''],
  );
});

test('a NUMA node that is no number is none', (t) => {
  const tree = new FixtureTree(t);
  for (const [index, text] of ['', 'many', '1.5'].entries())
    tree.xeDevice(`0000:0${index}:00.0`, {}, { numa_node: text });
  assert.deepEqual(
    listXeDevices(tree.root).map(({ numaNode }) => numaNode),
    [-1, -1, -1],
  );
});
