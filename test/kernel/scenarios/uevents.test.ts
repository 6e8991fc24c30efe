// The kernel's uevents: real ones of the driver, forged ones, and more than the socket holds.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { bindDriver, coredump, GPU0, GPU1, unbindDriver, waitFor, wedge, writeMessages } from '../guest-lib.js';

const exporter = await ExporterProcess.serve({
  args: ['--events-stdout', '--kmsg=off', '--coredump-dir=/tmp/coredumps', '--coredump-max-bytes=4MiB'],
});
after(() => exporter.stop('SIGKILL'));
await waitFor('the source', async () => (await exporter.metric('xe_exporter_source_up{source="uevent"}')) === 1);

const LOST = 'xe_exporter_events_lost_total{source="uevent"}';
const received = async (event: string): Promise<number> =>
  (await exporter.metric(`xe_exporter_events_received_total{source="uevent",event="${event}"}`)) ?? 0;
const logged = (event: string): string | undefined => exporter.stdout.find((line) => line.includes(event));

test('a wedged device', async () => {
  wedge(GPU0);
  await waitFor('the event', async () => (await received('xe.device.wedged')) === 1);
  assert.equal(await exporter.metric(`xe_device_wedged{pci_bdf="${GPU0}"}`), 1);
  assert.equal(await exporter.metric(`xe_device_wedged{pci_bdf="${GPU1}"}`), 0);
});

test('a uevent that a process sends to the same group is ignored', async () => {
  const path = `/devices/pci0000:00/${GPU1}/drm/card1`;
  const keys = ['ACTION=change', `DEVPATH=${path}`, 'SUBSYSTEM=drm', 'WEDGED=none', 'SEQNUM=1'];
  await writeMessages('forge', 100, `change@${path}`, ...keys);
  wedge(GPU0);
  await waitFor('the one behind them', async () => (await received('xe.device.wedged')) === 2);
  assert.equal(await exporter.metric(`xe_device_wedged{pci_bdf="${GPU1}"}`), 0);
});

test('a coredump: reason and process from its head, and the dump stays', async () => {
  coredump(
    GPU1,
    '**** Xe Device Coredump ****\nReason: Timedout job - seqno=7\nkernel: 7.2\nmodule: xe\nSnapshot time: 1.0\nUptime: 2.0\nProcess: python3 [4711]\n',
  );
  await waitFor('the event', async () => (await received('xe.device.coredump')) === 1);
  const event = await waitFor('its log event', () => logged('xe.device.coredump'));
  for (const part of ['Timedout job - seqno=7', 'python3', '4711', GPU1]) assert.ok(event.includes(part), event);
  const dumps = readdirSync('/sys/class/devcoredump').filter((name) => name.startsWith('devcd'));
  assert.equal(dumps.length, 1);
  assert.ok(existsSync(`/sys/class/devcoredump/${dumps[0]}/data`));
});

test('it is copied: the same bytes, for root alone, once, and the dump is still there', async () => {
  const event = await waitFor('the copy', () => logged('xe.device.coredump.copy'));
  const { attributes } = JSON.parse(event) as { attributes: Record<string, string | number> };
  const copy = String(attributes['xe.devcoredump.copy']);
  assert.equal(copy, '/tmp/coredumps/19700101T000001.000Z_0000-04-00.0_python3.devcoredump');
  assert.deepEqual(readFileSync(copy), readFileSync(String(attributes['xe.devcoredump.path'])));
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  assert.equal(attributes['xe.devcoredump.copy_size'], statSync(copy).size);
  assert.equal(await exporter.metric('xe_exporter_coredump_copies_total{result="copied"}'), 1);
  const later = await ExporterProcess.serve({ args: ['--kmsg=off', '--coredump-dir=/tmp/coredumps'] });
  after(() => later.stop('SIGKILL'));
  const active = 'xe_exporter_feature_info{feature="coredumps",state="active"}';
  await waitFor('the feature', async () => (await later.metric(active)) === 1);
  // What another GPU leaves is copied by both; the first is known already.
  coredump(GPU0, '**** Xe Device Coredump ****\nReason: x\nkernel: 7.2\nmodule: xe\nSnapshot time: 2.0\nUptime: 2.0\n');
  await waitFor('the second', () => existsSync('/tmp/coredumps/19700101T000002.000Z_0000-03-00.0_unknown.devcoredump'));
  assert.equal(readdirSync('/tmp/coredumps').filter((name) => name.endsWith('.devcoredump')).length, 2);
});

test('the driver unbound and bound again: at once, not with the next look at sysfs', async () => {
  unbindDriver(GPU1);
  await waitFor('the unbind', async () => (await received('xe.device.unbound')) === 1);
  assert.equal(await exporter.metric(`xe_clients{pci_bdf="${GPU1}"}`), undefined);
  bindDriver(GPU1);
  await waitFor('the bind', async () => (await received('xe.device.bound')) === 1);
  await waitFor('the device', async () => (await exporter.metric(`xe_clients{pci_bdf="${GPU1}"}`)) === 0);
  assert.equal(await exporter.metric(LOST), 0);
});

test('more than the socket holds is a loss with a number, and the source goes on', async () => {
  exporter.child.kill('SIGSTOP');
  const { count } = await writeMessages('uevent', 60_000, 'change@/devices/test', 'SUBSYSTEM=other');
  exporter.child.kill('SIGCONT');
  const lost = await waitFor('the loss', async () => (await exporter.metric(LOST)) || undefined);
  assert.ok(lost > 0 && lost < count, `${lost} of ${count}`);
  const before = await received('xe.device.wedged');
  // The loss is told before what the socket still holds is read: until then there is no room for more.
  await waitFor('the next event', async () => {
    wedge(GPU0);
    return (await received('xe.device.wedged')) > before;
  });
});
