// A kernel that has the watch ioctl and still prints the line: each failure counts once, for the client that the watch names.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { GPU0, postVmError, startClient, waitFor } from '../guest-lib.js';

const FAILURES = 200;

const exporter = await ExporterProcess.serve({ args: ['--events-stdout', '--event-rate-limit-per-minute=0'] });
after(() => exporter.stop('SIGKILL'));
const metric = async (series: string): Promise<number> => (await exporter.metric(series)) ?? NaN;
const ENOMEM = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;

test('each failure that watch and log tell of counts once, and is logged once with its process', async () => {
  for (const source of ['watch_queue', 'kmsg', 'uevent']) {
    await waitFor(source, async () => (await metric(`xe_exporter_source_up{source="${source}"}`)) === 1);
  }
  const client = await startClient();
  await waitFor('the watch', async () => (await metric(`xe_clients_watched{pci_bdf="${GPU0}"}`)) === 1);
  for (let i = 0; i < FAILURES; i++) postVmError({ client: client.id, vm: i + 1, log: true });
  const reports = async (source: string): Promise<number> =>
    metric(`xe_exporter_events_received_total{source="${source}",event="xe.vm.rebind_error"}`);
  await waitFor('both reports of each', async () => {
    return (await reports('watch_queue')) === FAILURES && (await reports('kmsg')) === FAILURES;
  });
  assert.equal(await metric(ENOMEM), FAILURES);
  const merged = ['watch_queue', 'kmsg'].map(
    async (source) => (await exporter.metric(`xe_exporter_events_deduplicated_total{source="${source}"}`)) ?? 0,
  );
  assert.equal(
    (await Promise.all(merged)).reduce((sum, count) => sum + count),
    FAILURES,
  );

  const errors = await waitFor('the log events', () => {
    const lines = exporter.stdout.filter((line) => line.includes('"event_name":"xe.vm.rebind_error",'));
    return lines.length >= FAILURES && lines;
  });
  assert.equal(errors.length, FAILURES);
  assert.ok(errors.every((line) => line.includes(`"process.pid":${client.pid},`) && !line.includes('inferred')));
  assert.equal(await metric('xe_exporter_events_unattributed_total{reason="no_pid"}'), 0);
  await client.exit();
});
