// Jobs that are systemd services, started by systemd itself, which is process 1 here.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { UNPRIVILEGED_UID } from '../../../exporter/privileges/table.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { ASK } from '../../helpers/socket-peer.js';
import { GPU0, postVmError, RENDER0, waitFor } from '../guest-lib.js';
import { CLIENT, USER, watchesOf } from '../running-job.js';

const SOCKET = '/run/xe-exporter/jobs.sock';
const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
const byTrace = readFileSync('/proc/cmdline', 'utf8').includes('xestub.trace=');

copyFileSync(process.env['XE_TEST_CLIENT'] ?? 'client', CLIENT);
chmodSync(CLIENT, 0o755);
writeFileSync(
  '/tmp/train',
  `#!/bin/sh\necho "scale $XE_EXPORTER_RUN_SCALE"; (echo vm 0; exec sleep 100000) | ${CLIENT} ${RENDER0}\n`,
  { mode: 0o755 },
);

// The users of the units, which systemd wants to know by name, and a place for what the exporter keeps: the root folder is read-only.
addTo('passwd', `train:x:${USER}:${USER}::/:\nxe-exporter:x:${UNPRIVILEGED_UID}:${UNPRIVILEGED_UID}::/:\n`);
addTo('group', `train:x:${USER}:\nxe-exporter:x:${UNPRIVILEGED_UID}:\n`);
mount('-t', 'tmpfs', 'none', '/var/lib');

function addTo(file: string, lines: string): void {
  writeFileSync(`/tmp/${file}`, lines + readFileSync(`/etc/${file}`, 'utf8'));
  mount('--bind', `/tmp/${file}`, `/etc/${file}`);
}

function mount(...args: readonly string[]): void {
  assert.equal(spawnSync('mount', args).status, 0, args.join(' '));
}

function systemctl(...args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync('systemctl', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

const property = (unit: string, name: string): string => systemctl('show', '--value', `--property=${name}`, unit);

/** A service that writes to /tmp/<name>.log, as an ordinary user. */
function startService(name: string, unit: string): void {
  const folder = `/run/systemd/system/${name}.service.d`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`/run/systemd/system/${name}.service`, unit);
  const output = `append:/tmp/${name}.log`;
  writeFileSync(
    `${folder}/here.conf`,
    `[Service]\nUser=train\nWorkingDirectory=/\nStandardOutput=${output}\nStandardError=${output}\nRestartSec=0\nEnvironment=XE_EXPORTER_RESTART_BACKOFF=0s\n`,
  );
  systemctl('daemon-reload');
  systemctl('start', name);
}

function said(name: string, what: RegExp): readonly string[] {
  return [...readFileSync(`/tmp/${name}.log`, 'utf8').matchAll(what)].map(([, first = '']) => first);
}

test('the unit of the package with the drop-in of bare-metal.md makes the socket, and a service hears there who it is', async (t) => {
  t.after(() => spawnSync('systemctl', ['stop', 'xe-exporter']));
  const [, dropIn = ''] =
    /```ini\n(\[Service\]\nRuntimeDirectory=[^]*?)```/.exec(readFileSync('docs/bare-metal.md', 'utf8')) ?? [];
  assert.match(dropIn, /XE_EXPORTER_JOBS_SOCKET=/);
  const folder = '/run/systemd/system/xe-exporter.service.d';
  mkdirSync(folder, { recursive: true });
  copyFileSync('packaging/systemd/xe-exporter.service', '/run/systemd/system/xe-exporter.service');
  writeFileSync(`${folder}/override.conf`, dropIn);
  writeFileSync(
    `${folder}/here.conf`,
    // The checkout may be in somebody's home, or in /tmp.
    `[Service]\nProtectHome=no\nPrivateTmp=no\nExecStart=\nExecStart=${process.execPath} ${MAIN} serve\n`,
  );
  systemctl('daemon-reload');
  systemctl('start', 'xe-exporter');
  await waitFor('the socket', () => existsSync(SOCKET));
  assert.equal(statSync('/run/xe-exporter').uid, UNPRIVILEGED_UID);
  assert.equal(statSync('/var/lib/xe-exporter').mode & 0o777, 0o700);
  startService('asks', `[Service]\nType=oneshot\nExecStart=${process.execPath} ${ASK} ${SOCKET} /last\n`);
  assert.match(said('asks', /^(\{.*\})$/gm)[0] ?? '', /"workload":\{"xe\.systemd\.unit":"asks\.service"\}/);
  systemctl('stop', 'xe-exporter');
  assert.equal(property('xe-exporter', 'Result'), 'success');
});

test('the recipe: a service halves its batch, is started again after exit code 75, and its neighbour hears nothing', async (t) => {
  const exporter = await ExporterProcess.serve({ args: [`--jobs-socket=${SOCKET}`] });
  t.after(() => exporter.stop('SIGKILL'));
  const recipe = readFileSync('docs/jobs/gpu-job.service', 'utf8');
  const unit = recipe
    .replace('=xe-exporter ', `=${process.execPath} ${MAIN} `)
    .replace('python3 train.py', '/tmp/train');
  assert.match(unit, /^ExecStart=\S+ \S+ run .* -- \/tmp\/train$/m);
  startService('neighbour', `[Service]\nExecStart=${process.execPath} ${ASK} ${SOCKET} /events\n`);
  await waitFor('the neighbour to listen', () => said('neighbour', /(retry: )/g).length === 1);
  startService('train', unit);

  const scales = ['1', '0.5', '0.25', '1'];
  for (let attempt = 1; attempt <= scales.length; attempt++) {
    const clients = await waitFor(`attempt ${attempt}`, () => {
      const ids = said('train', /"client":(\d+)/g).map(Number);
      return ids.length === attempt && said('train', /("vm":1)/g).length === attempt && ids;
    });
    const client = clients.at(-1)!;
    if (byTrace) {
      await waitFor('run to listen', async () => (await exporter.metric('xe_exporter_job_subscribers')) === 2);
      await waitFor('the client', async () => (await exporter.metric(`xe_clients{pci_bdf="${GPU0}"}`)) === 1);
    } else {
      await waitFor('run and the exporter to watch', () => watchesOf(client) === 2);
    }
    if (attempt < scales.length) postVmError({ client, errno: -12 });
  }
  assert.deepEqual(said('train', /^scale (.*)$/gm), scales);
  assert.equal(property('train', 'NRestarts'), '1');
  assert.equal(said('train', /(giving up with exit code 75)/g).length, 1);
  assert.deepEqual(said('neighbour', /^(data: .*)$/gm), []);
  assert.equal(property('neighbour', 'ActiveState'), 'active');

  systemctl('stop', 'train');
  assert.equal(property('train', 'ActiveState'), 'inactive');
  assert.equal(property('train', 'Result'), 'success');
});
