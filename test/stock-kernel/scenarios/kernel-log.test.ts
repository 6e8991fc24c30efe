// The exporter with the kernel log alone, on a kernel as the distribution ships it: no watch queue, the real xe module.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { startClientIn, waitFor } from '../../kernel/guest-lib.js';
import { createVm, GPU, killVm, startGpu } from '../guest-lib.js';

startGpu();
const exporter = await ExporterProcess.serve({ args: ['--events-stdout', '--trace=off'] });
after(() => exporter.stop('SIGKILL'));

const metric = async (name: string, labels: string): Promise<number> =>
  (await exporter.metric(`${name}{${labels}}`)) ?? NaN;

test('the clients of the GPU are found', async (t) => {
  await startClientIn(t);
  await startClientIn(t);
  await waitFor('two clients', async () => (await metric('xe_clients', `pci_bdf="${GPU}"`)) === 2);
});

test("the real driver's line in the kernel log is an event and is counted", async (t) => {
  const client = await startClientIn(t, { comm: 'ai-train' });
  const vm = await createVm(client);
  await waitFor('the client', async () => (await metric('xe_clients', `pci_bdf="${GPU}"`)) === 1);
  killVm(vm);
  const errors = `pci_bdf="${GPU}",errno="ENOMEM"`;
  await waitFor('the error', async () => (await metric('xe_vm_rebind_errors_total', errors)) === 1);
  const line = await waitFor('the event', () => exporter.stdout.find((text) => text.includes('xe.vm.rebind_error')));
  const { attributes } = JSON.parse(line) as { attributes: Record<string, unknown> };
  assert.equal(attributes['pci.bdf'], GPU);
  assert.equal(
    'process.pid' in attributes,
    attributes['xe.victim.inferred'] === true,
    'without the trace a name is a guess',
  );
});

test('doctor finds the GPU and no watch queue', async () => {
  const doctor = await ExporterProcess.run(['doctor'], {}, ({ raw }) => (raw === undefined ? undefined : 'answered'));
  await doctor.exited;
  const text = doctor.stdout.join('\n');
  assert.match(text, new RegExp(GPU));
});

test('it stops in order', async () => {
  assert.equal(await exporter.stop(), 0);
});
