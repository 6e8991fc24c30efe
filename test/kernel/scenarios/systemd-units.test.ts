// Jobs that are systemd services, started by systemd itself, which is process 1 here.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { GPU0, postVmError, RENDER0, waitFor } from '../guest-lib.js';
import { CLIENT, USER, watchesOf } from '../running-job.js';

const SOCKET = '/run/xe-exporter/jobs.sock';
const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
const ASK = fileURLToPath(new URL('../../helpers/children/ask-socket.js', import.meta.url));
const byTrace = readFileSync('/proc/cmdline', 'utf8').includes('xestub.trace=');

copyFileSync(process.env['XE_TEST_CLIENT'] ?? 'client', CLIENT);
chmodSync(CLIENT, 0o755);
writeFileSync(
  '/tmp/train',
  `#!/bin/sh\necho "scale $XE_EXPORTER_RUN_SCALE"; (echo vm 0; exec sleep 100000) | ${CLIENT} ${RENDER0}\n`,
  { mode: 0o755 },
);

const exporter = await ExporterProcess.serve({ args: [`--jobs-socket=${SOCKET}`] });
after(() => exporter.stop('SIGKILL'));

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
    `[Service]\nUser=${USER}\nWorkingDirectory=/\nStandardOutput=${output}\nStandardError=${output}\nRestartSec=0\nEnvironment=XE_EXPORTER_RESTART_BACKOFF=0s\n`,
  );
  systemctl('daemon-reload');
  systemctl('start', name);
}

function said(name: string, what: RegExp): readonly string[] {
  return [...readFileSync(`/tmp/${name}.log`, 'utf8').matchAll(what)].map(([, first = '']) => first);
}

test('the recipe: a service halves its batch, is started again after exit code 75, and its neighbour hears nothing', async () => {
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
