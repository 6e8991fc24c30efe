// xe-exporter run on a kernel without the watch ioctl: the exporter of the node reads the driver's trace and tells the job.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { GPU0, postVmError, RENDER0, startClientIn, waitFor } from '../guest-lib.js';
import { CLIENT, RunningJob } from '../running-job.js';

const SOCKET = '/run/xe-exporter/jobs.sock';
const UNITS = ['train', 'other'].map((name) => `/sys/fs/cgroup/system.slice/${name}.service`);
const [TRAIN = '', OTHER = ''] = UNITS;
spawnSync('mount', ['-t', 'cgroup2', 'none', '/sys/fs/cgroup']);
for (const unit of UNITS) mkdirSync(unit, { recursive: true });
copyFileSync(process.env['XE_TEST_CLIENT'] ?? 'client', CLIENT);
chmodSync(CLIENT, 0o755);

const exporter = await ExporterProcess.serve({ args: [`--jobs-socket=${SOCKET}`] });
after(() => exporter.stop('SIGKILL'));
const seen = (count: number): Promise<unknown> =>
  waitFor(`${count} clients`, async () => (await exporter.metric(`xe_clients{pci_bdf="${GPU0}"}`)) === count);

const job = `echo "scale $XE_EXPORTER_RUN_SCALE"; exec ${CLIENT} ${RENDER0}`;
const inTrain = [
  'sh',
  '-c',
  `echo $$ > ${TRAIN}/cgroup.procs && exec setpriv --reuid=1000 --regid=1000 --clear-groups -- "$@"`,
  'sh',
];

test('restart: the job is told through the socket, runs again with half the scale, and succeeds', async (t) => {
  const run = new RunningJob(t, ['--on-oom=restart', '--restart-backoff=0s'], job, inTrain);
  await run.heard('scale 1');
  const first = await run.started();
  await seen(1);
  await waitFor('run listens', async () => (await exporter.metric('xe_exporter_job_subscribers')) === 1);
  postVmError({ client: first, errno: -12 });
  await run.heard('scale 0.5');
  await run.started();
  run.send('exit 0');
  assert.deepEqual(await run.end(), { code: 0, signal: null });
  assert.match(run.stderr, /out of GPU memory: the driver stopped a GPU VM of process \d+/);
});

test('errors of another unit, and of other processes of the same one, are not the errors of the job', async (t) => {
  const run = new RunningJob(t, ['--on-oom=exit:99'], job, inTrain);
  const own = await run.started();
  const strangers = await Promise.all([TRAIN, OTHER].map((cgroup) => startClientIn(t, { cgroup, uid: 1000 })));
  for (const stranger of strangers) await stranger.createVm();
  await seen(3);
  await waitFor('run listens', async () => (await exporter.metric('xe_exporter_job_subscribers')) === 1);
  for (const { id } of strangers) postVmError({ client: id, errno: -12 });
  const both = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
  await waitFor('the exporter has counted both', async () => (await exporter.metric(both)) === 3);
  postVmError({ client: own, errno: -12 });
  assert.deepEqual(await run.end(), { code: 99, signal: null });
  // Had the error of a stranger been taken for its own, that one would be named here.
  assert.match(run.stderr, new RegExp(`stopped a GPU VM of process ${run.pid}\\b`));
});
