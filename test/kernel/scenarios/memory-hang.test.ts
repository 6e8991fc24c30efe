// A driver that does not answer, uninterruptibly.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { driverState, GPU0, hangFdinfo, postVmError, startClientIn, waitFor } from '../guest-lib.js';

const RESIDENT = `xe_client_memory_resident_bytes{pci_bdf="${GPU0}",region="vram0"`;

test('a hung read stops neither events nor scrapes nor the shutdown', async (t) => {
  const client = await startClientIn(t, { vram: 1 << 30 });
  const exporter = await ExporterProcess.serve({
    args: ['--memory-interval=15s', '--client-memory', '--shutdown-timeout=2s'],
  });
  t.after(() => exporter.stop('SIGKILL'));
  const resident = async () => [...(await exporter.metrics())].find(([key]) => key.startsWith(RESIDENT))?.[1];
  await waitFor('a sample', async () => {
    await client.send('version 0');
    return (await resident()) === 1 << 30;
  });
  hangFdinfo(GPU0, true);
  t.after(() => hangFdinfo(GPU0, false));
  const { fdinfo_reads: before } = driverState().devices[0]!;
  await waitFor('a sample that hangs', async () => {
    await client.send('version 0');
    return driverState().devices[0]!.fdinfo_reads > before;
  });
  postVmError({ client: client.id });
  const errors = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
  await waitFor('the error to be counted', async () => (await exporter.metric(errors)) === 1);
  await waitFor('the values to be dropped', async () => (await resident()) === undefined);
  assert.equal(driverState().devices[0]!.fdinfo_reads, before + 1);
  exporter.child.kill('SIGTERM');
  await waitFor('it to stop', () => exporter.log.some(({ msg }) => msg === 'xe-exporter has stopped'));
  // What is left of the process is the thread in the kernel.
  hangFdinfo(GPU0, false);
  assert.equal(await exporter.exited, 0);
});
