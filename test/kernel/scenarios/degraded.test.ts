// Kernels and privileges that do not let us watch: said clearly, and the exporter stays up. The kernel command line and the
// image decide which of the cases this is.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { driverState, GPU0, postVmError, startClient, waitFor } from '../guest-lib.js';

const noIoctl = readFileSync('/proc/cmdline', 'utf8').includes('xestub.watch_nr=0 ');
const noWatchQueue = process.env['XE_TEST_NO_WATCH_QUEUE'] === '1';
const supported = !noIoctl && !noWatchQueue;
const client = await startClient({ uid: 1001 });
after(() => client.exit());

async function stateOf(exporter: ExporterProcess, expected: string): Promise<Readonly<Record<string, unknown>>> {
  const line = await waitFor(`watch_queue ${expected}`, () =>
    exporter.log.find(({ feature, state }) => feature === 'watch_queue' && state === expected),
  );
  assert.equal(await exporter.metric(`xe_exporter_feature_info{feature="watch_queue",state="${expected}"}`), 1);
  return line;
}

async function staysUp(exporter: ExporterProcess): Promise<void> {
  await waitFor(
    'the client to be seen',
    async () => (await exporter.metric(`xe_clients{pci_bdf="${GPU0}"}`)) !== undefined,
  );
  assert.equal((await fetch(`${exporter.url}/healthz`)).status, 200);
  assert.equal(exporter.child.exitCode, null);
  assert.equal(driverState().clients.find(({ id }) => id === client.id)?.watches, 0);
}

test('a kernel without the watch', { skip: supported && 'this kernel has it' }, async () => {
  // With the kernel log it would be ready: see fallback.
  const exporter = await ExporterProcess.serve({ args: ['--mode=watch_queue'] });
  const line = await stateOf(exporter, 'unsupported');
  assert.match(
    String(line['reason']),
    noWatchQueue ? /CONFIG_WATCH_QUEUE.*ENOPKG/ : /no watch ioctl \(tried 0x0f, 0x11, 0x10\)/,
  );
  assert.match(String(line['fix']), /kernel/);
  await staysUp(exporter);
  assert.equal((await fetch(`${exporter.url}/readyz`)).status, 503);
  assert.equal(await exporter.metric('xe_exporter_source_up{source="watch_queue"}'), 0);
  assert.equal(await exporter.stop(), 0);
});

test('watch refuses to follow nothing', { skip: supported && 'this kernel has it' }, () => {
  const main = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
  const args = [main, 'watch', '--mode=watch_queue', '--log-level=fatal', '--log-format=text'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /works here: watch_queue: .*\[XEE_NO_EVENT_SOURCE\]/);
});

test('another user than root without privileges', { skip: !supported && 'nothing to be denied' }, async () => {
  const exporter = await ExporterProcess.serve({ uid: 1000 });
  await waitFor('discovery denied', () =>
    exporter.log.find(({ feature, state }) => feature === 'discovery_proc' && state === 'denied'),
  );
  await staysUp(exporter);
  assert.equal(await exporter.stop(), 0);
});

test('root without CAP_SYS_PTRACE', { skip: !supported && 'nothing to be denied' }, async () => {
  const exporter = await ExporterProcess.serve({
    launcher: ['setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace', '--'],
  });
  await waitFor('discovery denied', () =>
    exporter.log.find(({ feature, state }) => feature === 'discovery_proc' && state === 'denied'),
  );
  await staysUp(exporter);
  assert.equal(await exporter.stop(), 0);
});

test(
  'a wrong number given by hand never reaches another file',
  { skip: !supported && 'any number is wrong here' },
  async () => {
    const exporter = await ExporterProcess.serve({ args: ['--xe-watch-ioctl=0x10'] });
    const line = await stateOf(exporter, 'unsupported');
    assert.match(String(line['reason']), /tried 0x10/);
    await staysUp(exporter);
    assert.ok(driverState().devices.every(({ foreign_ioctls }) => foreign_ioctls === 0));
    assert.equal(await exporter.stop(), 0);
  },
);

test('switched off', async () => {
  const exporter = await ExporterProcess.serve({ args: ['--xe-watch-ioctl=off'] });
  if (!noWatchQueue) await stateOf(exporter, 'disabled');
  await staysUp(exporter);
  postVmError({ client: client.id });
  assert.equal(await exporter.stop(), 0);
});
