// Who is watched: coming, going, sharing, many.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { driverState, GPU0, postVmError, RENDER0, startClient, waitFor } from '../guest-lib.js';

const exporter = await ExporterProcess.serve();
after(() => exporter.stop('SIGKILL'));

const ENOMEM = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
const counted = async (): Promise<number> => (await exporter.metric(ENOMEM)) ?? NaN;

async function coverage(): Promise<[number | undefined, number | undefined]> {
  const metrics = await exporter.metrics();
  return [metrics.get(`xe_clients{pci_bdf="${GPU0}"}`), metrics.get(`xe_clients_watched{pci_bdf="${GPU0}"}`)];
}

const covered = (count: number, deadlineMs?: number): Promise<unknown> =>
  waitFor(`${count} clients, all watched`, async () => String(await coverage()) === `${count},${count}`, deadlineMs);

test('a killed client is gone at once: no copy of ours keeps it alive', async () => {
  const client = await startClient();
  await covered(1);
  await client.kill();
  await waitFor('the driver to free the client', () => driverState().clients.length === 0);
  await covered(0);
});

test('dup, fork and both are one client, watched once', async () => {
  const client = await startClient();
  await client.send('dup 0');
  const { pid } = await client.send('fork');
  await covered(1);
  const before = await counted();
  postVmError({ client: client.id, count: 3 });
  await waitFor('three events', async () => (await counted()) === before + 3);
  assert.deepEqual(
    driverState().clients.map(({ watches }) => watches),
    [1],
  );
  // The file lives on in the child, and so does the watch.
  await client.send('close 0');
  await client.send('close 1');
  postVmError({ client: client.id });
  await waitFor('an event of the child', async () => (await counted()) === before + 4);
  await client.send(`kill ${pid}`);
  await covered(0);
  await client.exit();
});

test('300 clients take more than one pipe, each is counted once', async () => {
  const clients = await Promise.all(
    Array.from({ length: 30 }, () => startClient({ files: Array<string>(10).fill(RENDER0), uid: 1000 })),
  );
  await covered(300, 60_000);
  const before = await counted();
  const ids = clients.flatMap(({ files }) => files.map(({ client }) => client));
  for (const id of ids) postVmError({ client: id });
  await waitFor('300 events', async () => (await counted()) === before + 300);
  await Promise.all(clients.map((client) => client.exit()));
  await covered(0);
  assert.equal(await exporter.metric('xe_exporter_events_lost_total{source="watch_queue"}'), 0);
});

test('watch ids are used again: 300 more clients after the first', async () => {
  const client = await startClient({ files: Array<string>(300).fill(RENDER0) });
  await covered(300, 60_000);
  const before = await counted();
  for (const { client: id } of client.files) postVmError({ client: id });
  await waitFor('300 events', async () => (await counted()) === before + 300);
  await client.exit();
  await covered(0);
});
