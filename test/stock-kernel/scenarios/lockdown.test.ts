// A kernel in lockdown: integrity leaves tracing alone, confidentiality ends it.
import assert from 'node:assert/strict';
import { mkdirSync, openSync, rmdirSync, writeFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { startClientIn, waitFor } from '../../kernel/guest-lib.js';
import { CONTROL, GPU, startGpu, TRACEFS } from '../guest-lib.js';

startGpu();
/** Nobody may open it for writing later. */
const control = openSync(CONTROL, 'w');
const lockdown = (level: string): void => writeFileSync('/sys/kernel/security/lockdown', level);

test('integrity: an instance can be made', () => {
  lockdown('integrity');
  mkdirSync(`${TRACEFS}/instances/scenario`);
  rmdirSync(`${TRACEFS}/instances/scenario`);
});

test('confidentiality: nothing can be opened', () => {
  lockdown('confidentiality');
  assert.throws(() => writeFileSync(`${TRACEFS}/dynamic_events`, '', { flag: 'a' }), { code: 'EPERM' });
});

test('the exporter says so and goes on with the kernel log', async (t) => {
  const exporter = await ExporterProcess.serve();
  t.after(() => exporter.stop('SIGKILL'));
  await waitFor(
    'the kernel log',
    async () => (await exporter.metric('xe_exporter_source_up{source="kmsg"}')) === 1,
    60_000,
  );
  assert.equal(await exporter.metric('xe_exporter_feature_info{feature="trace",state="denied"}'), 1);
  const client = await startClientIn(t);
  writeSync(control, `create 1 ${client.id}\nkill 1 -12`);
  const errors = `xe_vm_rebind_errors_total{pci_bdf="${GPU}",errno="ENOMEM"}`;
  await waitFor('the error', async () => (await exporter.metric(errors)) === 1, 60_000);
  assert.equal(await exporter.stop(), 0);
});

test('doctor names lockdown', async () => {
  const doctor = await ExporterProcess.run(['doctor'], {}, ({ raw }) => (raw === undefined ? undefined : 'answered'));
  await doctor.exited;
  assert.match(doctor.stdout.join('\n'), /locked down \(confidentiality\)/);
});
