import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { UeventBatch } from '../../../exporter/sources/source.js';
import { openUevent } from '../../../exporter/sources/uevent/source.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { MessageSourceUnderTest } from '../../helpers/message-source.js';
import { waitFor } from '../../helpers/wait-for.js';

const [EIO, ENOBUFS, EPROTONOSUPPORT] = [5, 105, 93];
const BDF = '0000:03:00.0';
const PCI = `/devices/pci0000:00/0000:00:01.0/${BDF}`;
const DUMP = '/devices/virtual/devcoredump/devcd1';
const HEAD =
  '**** Xe Device Coredump ****\nReason: Timedout job - seqno=4294967169\nkernel: 7.2.0\nmodule: xe\nSnapshot time: 1.5\nUptime: 60.5\nProcess: python3 [4711]\n';

function message(action: string, devpath: string, subsystem: string, ...keys: string[]): string {
  const all = [`${action}@${devpath}`, `ACTION=${action}`, `DEVPATH=${devpath}`, `SUBSYSTEM=${subsystem}`, ...keys];
  return [...all, 'SEQNUM=1', ''].join('\0');
}

async function start(t: { after(fn: () => unknown): void }, bound = true) {
  const tree = new FixtureTree(t);
  if (bound) tree.xeDevice(BDF, { card0: '226:0', renderD128: '226:128' });
  const under = new MessageSourceUnderTest(t, openUevent, { config: { sysRoot: tree.root } });
  const opened = await under.open();
  assert.ok('run' in opened, JSON.stringify(opened));
  t.after(() => opened.run.stop());
  return { tree, under, run: opened.run, batch: (index: number) => under.batches[index] as UeventBatch };
}

test('uevents come with their device', async (t) => {
  const { under, batch } = await start(t);
  under.post(message('change', `${PCI}/drm/card0`, 'drm', 'WEDGED=rebind,bus-reset'));
  under.post(message('change', '/devices/pci0000:00/0000:00:02.0/drm/card1', 'drm', 'HOTPLUG=1'));
  under.post(message('add', '/devices/virtual/net/lo', 'net'));
  under.post(message('change', PCI, 'pci', 'ERROR_EVENT=BEGIN_RECOVERY'));
  await under.delivered(3);
  assert.equal(batch(0).uevent?.values.get('WEDGED'), 'rebind,bus-reset');
  assert.deepEqual(
    [0, 1, 2].map((index) => batch(index).device?.pciBdf),
    [BDF, undefined, BDF],
  );
});

test('a device that is bound is known before its event, one that is unbound after it', async (t) => {
  const { tree, under, batch } = await start(t, false);
  tree.xeDevice(BDF, { card0: '226:0', renderD128: '226:128' });
  under.post(message('bind', PCI, 'pci', 'DRIVER=xe', `PCI_SLOT_NAME=${BDF}`));
  await under.delivered(1);
  assert.equal(batch(0).device?.card, 'card0');
  tree.remove(`bus/pci/drivers/xe/${BDF}`);
  under.post(message('unbind', PCI, 'pci', `PCI_SLOT_NAME=${BDF}`));
  await under.delivered(2);
  assert.equal(batch(1).device?.card, 'card0');
  assert.deepEqual(under.devices.devices, []);
});

test('what another driver does with the device later is not the exporter’s', async (t) => {
  const { tree, under, batch } = await start(t);
  tree.remove(`bus/pci/drivers/xe/${BDF}`);
  under.post(message('unbind', PCI, 'pci'));
  under.post(message('bind', PCI, 'pci', 'DRIVER=vfio-pci'));
  under.post(message('unbind', PCI, 'pci'));
  under.post(message('bind', PCI, 'pci', 'DRIVER=xe'));
  under.post(message('unbind', PCI, 'pci'));
  await under.delivered(5);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((index) => batch(index).device?.pciBdf),
    [BDF, undefined, undefined, BDF, BDF],
  );
});

test('a coredump comes with its device, and with reason and process from its head, which is only read', async (t) => {
  const { tree, under, batch } = await start(t);
  tree.link(`${DUMP.slice(1)}/failing_device`, `../../../pci0000:00/${BDF}`);
  tree.file(`${DUMP.slice(1)}/data`, HEAD + 'x'.repeat(100_000));
  under.post(message('add', DUMP, 'devcoredump'));
  await under.delivered(1);
  assert.equal(batch(0).device?.pciBdf, BDF);
  assert.deepEqual(batch(0).details, {
    'xe.devcoredump.reason': 'Timedout job - seqno=4294967169',
    'process.pid': 4711,
    'process.executable.name': 'python3',
  });
  under.post(message('remove', DUMP, 'devcoredump'));
  under.post(message('add', '/devices/virtual/devcoredump/devcd2', 'devcoredump'));
  await under.delivered(3);
  assert.deepEqual([batch(1).details, batch(2).device], [undefined, undefined]);
});

test('a coredump that cannot be read yet does not hold up others, nor for ever its own event', async (t) => {
  const { tree, under, run } = await start(t);
  tree.link(`${DUMP.slice(1)}/failing_device`, `/${BDF}`);
  const data = join(tree.root, DUMP, 'data');
  execFileSync('mkfifo', [data]); // A read waits until somebody has written.
  try {
    under.post(message('add', DUMP, 'devcoredump'));
    under.post(message('change', `${PCI}/drm/card0`, 'drm'));
    await under.delivered(1);
    assert.equal((under.batches[0] as UeventBatch).uevent?.subsystem, 'drm');
    await run.stop();
    assert.deepEqual([under.batches.length, (under.batches[1] as UeventBatch).details], [2, {}]);
  } finally {
    writeFileSync(data, ''); // Lets the thread of the pool go.
  }
});

test('losses are batches with the number of uevents, drops are counted, a death is told', async (t) => {
  const { under } = await start(t);
  under.reader.postError(ENOBUFS, 7);
  await under.delivered(1);
  assert.deepEqual(
    { ...under.batches[0], realtimeNs: 0, monotonicNs: 0 },
    {
      kind: 'loss',
      source: 'uevent',
      realtimeNs: 0,
      monotonicNs: 0,
      messages: 7,
    },
  );
  under.post(['not', 'SUBSYSTEM=drm', 'a uevent', ''].join('\0'));
  await under.delivered(2);
  assert.equal((under.batches[1] as UeventBatch).uevent, undefined);
  under.reader.postError(EIO);
  await waitFor(() => under.deaths.length > 0, { what: 'the death' });
  assert.deepEqual(under.deaths, ['read failed with EIO']);
});

test('what the node refuses is a state with a reason and a fix', async (t) => {
  const none = { operation: 'socket', errno: EPROTONOSUPPORT };
  const opened = await new MessageSourceUnderTest(t, openUevent, { refusal: none }).open();
  assert.ok('refused' in opened);
  assert.equal(opened.refused.state, 'unsupported');
  assert.match(opened.refused.reason, /^socket of a uevent socket failed with /);

  const off = await new MessageSourceUnderTest(t, openUevent, { config: { uevent: 'off' } }).open();
  assert.deepEqual(off, { refused: { state: 'disabled', reason: 'switched off by --uevent=off', fix: '' } });

  const tree = new FixtureTree(t);
  tree.link('self/ns/user', 'user:[4026532211]');
  const namespaced = await new MessageSourceUnderTest(t, openUevent, { config: { procRoot: tree.root } }).open();
  assert.ok('refused' in namespaced && namespaced.refused.state === 'denied');
});
