// The main job, on a kernel with the watch ioctl at whatever number its command line says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { startCollector } from '../../helpers/collector.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { driverState, GPU0, GPU1, postVmError, RENDER0, RENDER1, startClient, waitFor } from '../guest-lib.js';

const watchNr = /xestub\.watch_nr=(0x\w+)/.exec(readFileSync('/proc/cmdline', 'utf8'))?.[1] ?? '0x0f';
const collector = await startCollector();
const exporter = await ExporterProcess.serve({ args: [`--otlp-endpoint=${collector.url}`] });
after(async () => {
  await exporter.stop('SIGKILL');
  await collector.stop();
});

const watched = (bdf: string, count: number): Promise<unknown> =>
  waitFor(
    `${count} watched on ${bdf}`,
    async () => (await exporter.metric(`xe_clients_watched{pci_bdf="${bdf}"}`)) === count,
  );

test('the probe finds the number of this kernel', async () => {
  const line = await waitFor('the feature report', () => exporter.log.find(({ feature }) => feature === 'watch_queue'));
  assert.equal(line['state'], 'active');
  assert.equal(line['reason'], `ioctl ${watchNr}`);
  assert.equal(await exporter.metric('xe_exporter_feature_info{feature="watch_queue",state="active"}'), 1);
  assert.equal(await exporter.metric('xe_exporter_source_up{source="watch_queue"}'), 1);
  assert.equal((await fetch(`${exporter.url}/readyz`)).status, 200);
});

test('every device series is 0 before the first event', async () => {
  const metrics = await exporter.metrics();
  for (const bdf of [GPU0, GPU1]) {
    for (const errno of ['ENOMEM', 'ENOSPC', 'ETIME', 'EBUSY', 'other']) {
      assert.equal(metrics.get(`xe_vm_rebind_errors_total{pci_bdf="${bdf}",errno="${errno}"}`), 0);
    }
    assert.equal(metrics.get(`xe_vm_rebind_error_last_timestamp_seconds{pci_bdf="${bdf}"}`), 0);
  }
  assert.ok(
    [...metrics.keys()].some((key) =>
      key.startsWith(`xe_device_info{pci_bdf="${GPU0}",card="card0",render="renderD128"`),
    ),
  );
});

test("another user's process errs: counted for its device and logged with its pid, client, vm id and errno", async () => {
  const client = await startClient({ files: [RENDER1], uid: 1000, comm: 'ai-train' });
  await watched(GPU1, 1);
  postVmError({ client: client.id, vm: 7, errno: -12 });
  postVmError({ client: client.id, vm: 8, errno: -62 });
  const count = (errno: string) => `xe_vm_rebind_errors_total{pci_bdf="${GPU1}",errno="${errno}"}`;
  await waitFor('both counted', async () => {
    const metrics = await exporter.metrics();
    return metrics.get(count('ENOMEM')) === 1 && metrics.get(count('ETIME')) === 1;
  });
  assert.equal(await exporter.metric(`xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`), 0);
  const stamp = await exporter.metric(`xe_vm_rebind_error_last_timestamp_seconds{pci_bdf="${GPU1}"}`);
  assert.ok(stamp && Math.abs(stamp - Date.now() / 1000) < 60, `last timestamp ${stamp}`);

  const records = await waitFor('both log records', () => {
    const all = collector.requests.flatMap((request) => request.records);
    return all.length >= 2 && all;
  });
  const { eventName, severityNumber, attributes } = records[0]!;
  assert.equal(eventName, 'xe.vm.rebind_error');
  assert.equal(severityNumber, 17);
  const expected = {
    'hw.id': GPU1,
    'pci.bdf': GPU1,
    'error.type': 'ENOMEM',
    'process.pid': client.pid,
    'xe.drm.client_id': client.id,
    'xe.vm.id': 7,
    'xe.vm.errno': -12,
    'xe.event.source': 'watch_queue',
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(attributes[name], value, name);
  assert.equal(records[1]!.attributes['error.type'], 'ETIME');
  await client.exit();
  await watched(GPU1, 0);
});

test('longer records of a later kernel count; unknown subtypes do not pass the kernel filter', async () => {
  const client = await startClient({ files: [RENDER0] });
  await watched(GPU0, 1);
  postVmError({ client: client.id, subtype: 7, length: 24 }, { client: client.id, vm: 3, errno: -28, length: 24 });
  const series = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOSPC"}`;
  await waitFor('the longer record', async () => (await exporter.metric(series)) === 1);
  assert.equal(
    await exporter.metric('xe_exporter_events_dropped_total{stage="decode",sink="",reason="unknown_type"}'),
    0,
  );
  await client.exit();
  await watched(GPU0, 0);
});

test('nothing but the watch ioctl was sent to a foreign file, and SIGTERM leaves nothing attached', async () => {
  const clients = await Promise.all([startClient({ files: [RENDER0] }), startClient({ files: [RENDER0, RENDER1] })]);
  await watched(GPU0, 2);
  await watched(GPU1, 1);
  assert.deepEqual(
    driverState().clients.map(({ watches }) => watches),
    [1, 1, 1],
  );
  assert.equal(await exporter.stop(), 0);
  await waitFor('no watch left', () => driverState().clients.every(({ watches }) => watches === 0));
  assert.equal(driverState().clients.length, 3);
  await Promise.all(clients.map((client) => client.exit()));
});
