// Memory and power state of devices whose driver counts who reads it and who wakes it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import {
  deviceState,
  driverState,
  GPU0,
  GPU1,
  setVram,
  startClientIn,
  type GuestClient,
  waitFor,
} from '../guest-lib.js';

const GIB = 1024 ** 3;
const SIZE = 12 * GIB;

async function serve(t: TestContext, ...args: string[]): Promise<ExporterProcess> {
  const exporter = await ExporterProcess.serve({ args: ['--memory-interval=15s', ...args] });
  t.after(() => exporter.stop('SIGKILL'));
  return exporter;
}

const runtimeStatus = (bdf: string): string =>
  readFileSync(`/sys/bus/pci/devices/${bdf}/power/runtime_status`, 'utf8').trim();
const asleep = (bdf: string): Promise<unknown> => waitFor(`${bdf} asleep`, () => runtimeStatus(bdf) === 'suspended');
const used = (bdf: string) => `xe_device_memory_used_bytes{pci_bdf="${bdf}",region="vram0"}`;
const size = (bdf: string) => `xe_device_memory_size_bytes{pci_bdf="${bdf}",region="vram0"}`;
const RESIDENT = `xe_client_memory_resident_bytes{pci_bdf="${GPU0}",region="vram0",k8s_namespace_name="",k8s_pod_name="",k8s_container_name=""}`;

/** The value of a series as the next sample gives it, of a device that is kept awake by its client. */
function sampled(exporter: ExporterProcess, client: GuestClient, series: string, value: number | undefined) {
  return waitFor(`${series} ${value}`, async () => {
    await client.send('version 0');
    return (await exporter.metric(series)) === value;
  });
}

test('regions and clients are sampled while the device is awake; a sleeping one is never woken', async (t) => {
  setVram({ device: GPU0 }, GIB);
  setVram({ device: GPU1 }, GIB / 2);
  const first = await startClientIn(t, { vram: 2 * GIB });
  await startClientIn(t, { vram: 3 * GIB, uid: 1000 });
  const exporter = await serve(t, '--client-memory');
  await sampled(exporter, first, used(GPU0), 6 * GIB);
  assert.equal(await exporter.metric(size(GPU0)), SIZE);
  await sampled(exporter, first, RESIDENT, 5 * GIB);
  assert.equal(await exporter.metric('xe_exporter_feature_info{feature="memory",state="active"}'), 1);

  const { fdinfo_reads: reads } = deviceState(GPU0);
  for (let scrape = 0; scrape < 10; scrape++) await exporter.metrics();
  const others = deviceState(GPU0).fdinfo_reads - reads;
  assert.ok(others === 0 || others === 2, 'a scrape reads nothing; a sample may have come between');

  await asleep(GPU1);
  const before = deviceState(GPU1);
  setVram({ client: first.id }, 4 * GIB);
  await sampled(exporter, first, used(GPU0), 8 * GIB);
  await sampled(exporter, first, RESIDENT, 7 * GIB);
  assert.equal(await exporter.metric(`xe_device_runtime_suspended{pci_bdf="${GPU1}"}`), 1);
  assert.equal(await exporter.metric(`xe_device_runtime_suspended{pci_bdf="${GPU0}"}`), 0);
  assert.equal(await exporter.metric(used(GPU1)), undefined, 'what was true before it fell asleep');
  assert.deepEqual(deviceState(GPU1), before);

  await asleep(GPU0);
  const idle = deviceState(GPU0);
  await waitFor('a look at the sleeping device', async () => (await exporter.metric(used(GPU0))) === undefined);
  assert.equal(await exporter.metric(RESIDENT), undefined);
  assert.deepEqual(deviceState(GPU0), idle, 'neither woken nor read');
  assert.ok(driverState().devices.every(({ foreign_ioctls }) => foreign_ioctls === 0));
});

test('without debugfs the driver is asked on a file of our own, which is closed at once', async (t) => {
  setVram({ device: GPU0 }, 2 * GIB);
  const client = await startClientIn(t, { vram: GIB });
  const exporter = await serve(t, '--path-debugfs=/nonexistent');
  await sampled(exporter, client, used(GPU0), 3 * GIB);
  assert.equal(await exporter.metric(size(GPU0)), SIZE);
  assert.equal(driverState().clients.filter(({ owner }) => owner === exporter.child.pid).length, 0);
});
