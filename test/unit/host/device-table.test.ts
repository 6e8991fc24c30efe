import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { XeDevice } from '../../../exporter/host/device.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import { aDevice } from '../../helpers/events.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';

function start(list: () => readonly XeDevice[]) {
  const log: string[] = [];
  const table = new DeviceTable(list);
  table.subscribe({
    added: ({ pciBdf, renderMinor }) => log.push(`+${pciBdf}/${renderMinor}`),
    removed: ({ pciBdf, renderMinor }) => log.push(`-${pciBdf}/${renderMinor}`),
    overflowed: (found, kept) => log.push(`${found}>${kept}`),
  });
  const refresh = () => {
    log.length = 0;
    table.refresh();
    return [...log];
  };
  return { table, refresh };
}

test('a device that stays keeps its object, and nothing is told twice', () => {
  const { table, refresh } = start(() => [aDevice()]);
  assert.deepEqual(refresh(), ['+0000:03:00.0/128']);
  const [device] = table.devices;
  assert.deepEqual(refresh(), []);
  assert.equal(table.devices[0], device);
  assert.equal(table.byMinor(128), device);
  assert.equal(table.byMinor(0), device);
  assert.equal(table.byMinor(129), undefined);
});

test('a device that was bound anew is removed and added', () => {
  let nodes: Partial<XeDevice> = {};
  const { table, refresh } = start(() => [aDevice(nodes)]);
  refresh();
  nodes = { render: 'renderD129', renderMinor: 129 };
  assert.deepEqual(refresh(), ['-0000:03:00.0/128', '+0000:03:00.0/129']);
  assert.equal(table.byMinor(128), undefined);
  nodes = { render: undefined, renderMinor: undefined, card: undefined, cardMinor: undefined };
  assert.deepEqual(refresh(), ['-0000:03:00.0/129', '+0000:03:00.0/undefined']);
  nodes = { ...nodes, binding: 2 };
  assert.deepEqual(refresh(), ['-0000:03:00.0/undefined', '+0000:03:00.0/undefined'], 'the same nodes, made anew');
});

test('a device without nodes answers to no minor', () => {
  const { table, refresh } = start(() => [aDevice({ renderMinor: undefined, cardMinor: undefined })]);
  refresh();
  assert.equal(table.byMinor(0), undefined);
});

test('an unplugged device is removed, the other stays', () => {
  let present = ['0000:03:00.0', '0000:04:00.0'];
  const { refresh } = start(() =>
    present.map((pciBdf, index) => aDevice({ pciBdf, renderMinor: 128 + index, cardMinor: index })),
  );
  refresh();
  present = ['0000:03:00.0'];
  assert.deepEqual(refresh(), ['-0000:04:00.0/129']);
});

test('at most 64 devices, said once', () => {
  const all = Array.from({ length: 70 }, (_, index) =>
    aDevice({ pciBdf: `0000:${index}`, renderMinor: index, cardMinor: index }),
  );
  const { table, refresh } = start(() => all);
  assert.equal(refresh().filter((line) => line === '70>64').length, 1);
  assert.equal(table.devices.length, 64);
  assert.deepEqual(refresh(), []);
});

test('over sysfs', (t) => {
  const tree = new FixtureTree(t);
  tree.xeDevice('0000:03:00.0', { card0: '226:0', renderD128: '226:128' });
  const log: string[] = [];
  const table = DeviceTable.overSysfs(tree.root);
  table.subscribe({
    added: ({ pciBdf }) => log.push(`+${pciBdf}`),
    removed: ({ pciBdf }) => log.push(`-${pciBdf}`),
  });
  table.refresh();
  tree.remove('bus/pci/drivers/xe/0000:03:00.0');
  table.refresh();
  assert.deepEqual(log, ['+0000:03:00.0', '-0000:03:00.0']);
});

test('subscribers are called in the order in which they subscribed, for removals before additions', () => {
  let devices = [aDevice()];
  const table = new DeviceTable(() => devices);
  const calls: string[] = [];
  for (const name of ['first', 'second']) {
    table.subscribe({
      added: ({ binding }) => calls.push(`${name}: +${binding}`),
      removed: ({ binding }) => calls.push(`${name}: -${binding}`),
    });
  }
  table.refresh();
  devices = [aDevice({ binding: 2 })];
  table.refresh();
  const rebound = ['first: -1', 'second: -1', 'first: +2', 'second: +2'];
  assert.deepEqual(calls, ['first: +1', 'second: +1', ...rebound]);
});
