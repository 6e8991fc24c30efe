import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClientTable, type ClientEntry } from '../../../exporter/clients/client-table.js';
import { memoryAttributes, memoryClause } from '../../../exporter/events/text/memory-attributes.js';
import { AWAKE, type DeviceState } from '../../../exporter/host/device-state.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import { MemoryMonitor, type MemoryMonitorOptions } from '../../../exporter/memory/memory-monitor.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { METRIC } from '../../../exporter/names.js';
import { aClient, aDevice, aWorkload } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';
import { GIB, inVram, ManualReader, vram0 } from '../../helpers/memory-reader.js';

const USED = `${METRIC.deviceMemoryUsed}{pci_bdf="0000:03:00.0",region="vram0"}`;
const SIZE = `${METRIC.deviceMemorySize}{pci_bdf="0000:03:00.0",region="vram0"}`;
const resident = (pod: string) =>
  `${METRIC.clientMemoryResident}{pci_bdf="0000:03:00.0",region="vram0",k8s_namespace_name="ml",k8s_pod_name="${pod}",k8s_container_name="main"}`;

function start(t: TestContext, given: Partial<MemoryMonitorOptions> & { maxWorkloads?: number } = {}) {
  const device = aDevice();
  const devices = new DeviceTable(() => [device]);
  devices.refresh();
  const clients = new ClientTable(1000);
  const reader = new ManualReader();
  const features = new FeatureBoard();
  const metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    sinks: [],
    version: '1',
    revision: '',
    nodeVersion: '',
    processMetrics: false,
    ...(given.maxWorkloads !== undefined && { maxWorkloads: given.maxWorkloads }),
  });
  metrics.devices.deviceDiscovered(device);
  clients.subscribe({
    added: ({ client }) => metrics.devices.clientRebindErrors.acquire(client.device.pciBdf, client.workload),
  });
  const state: { -readonly [Key in keyof DeviceState]: DeviceState[Key] } = { ...AWAKE };
  let now = 100_000;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const monitor = new MemoryMonitor({
    devices,
    clients,
    reader,
    readState: () => ({ ...state }),
    metrics: metrics.devices,
    features,
    intervalMs: 30_000,
    clientMemory: false,
    topConsumers: false,
    includeProcess: true,
    now: () => now,
    ...given,
  });
  clients.subscribe(monitor.clientListener);
  t.after(() => monitor.stop());
  const arrive = (id: number, pod: string, bytes: number): ClientEntry => {
    const fd = { pid: id, fd: 3, minor: 128, startTime: 1n, comm: 'app' };
    const entry = clients.add(
      aClient({ drmClientId: id, device, workload: aWorkload({ pod }), process: { pid: id } }),
      [fd],
    )!;
    reader.holds.set(entry, inVram(bytes));
    return entry;
  };
  const pass = (ms: number) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const turns = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  return {
    device,
    clients,
    reader,
    features,
    monitor,
    state,
    arrive,
    pass,
    turns,
    /** One interval later, with everything answered. */
    async next(ms = 30_000) {
      pass(ms);
      await turns();
      reader.finish();
      await turns();
    },
    async series() {
      return parseExposition(await metrics.registry.render('text'));
    },
  };
}

async function started(node: ReturnType<typeof start>): Promise<void> {
  const starting = node.monitor.start();
  node.reader.finish();
  await starting;
}

test('regions and clients are sampled; clients have series only when asked for', async (t) => {
  const node = start(t);
  node.arrive(1, 'a', GIB);
  await started(node);
  assert.deepEqual(node.reader.begun, ['regions', '1']);
  const series = await node.series();
  assert.equal(series.get(USED), 6 * GIB);
  assert.equal(series.get(SIZE), 12 * GIB);
  assert.equal(series.get(resident('a')), undefined);
  assert.deepEqual(node.features.all()[0], { feature: 'memory', state: 'active', reason: '', fix: '' });
});

test('clients of one container are added up, and leave with its last one', async (t) => {
  const node = start(t, { clientMemory: true });
  const entries = [node.arrive(1, 'a', GIB), node.arrive(2, 'a', 2 * GIB), node.arrive(3, 'b', 3 * GIB)];
  await started(node);
  assert.equal((await node.series()).get(resident('a')), 3 * GIB);
  node.clients.remove(entries[0]!);
  node.clients.remove(entries[2]!);
  await node.next();
  const series = await node.series();
  assert.equal(series.get(resident('a')), 2 * GIB);
  assert.equal(series.get(resident('b')), undefined);
});

test('containers that found no room are added up as _other', async (t) => {
  const node = start(t, { clientMemory: true, maxWorkloads: 2 });
  for (let id = 1; id <= 5; id++) node.arrive(id, `pod-${id}`, id * GIB);
  await started(node);
  const series = await node.series();
  const shown = [...series].filter(([key]) => key.startsWith(METRIC.clientMemoryResident));
  assert.equal(shown.length, 3);
  const other = shown.find(([key]) => key.includes('k8s_pod_name="_other"'));
  assert.equal(other?.[1], (3 + 4 + 5) * GIB);
});

test('a sleeping device is not read and has no values; awake again, it is', async (t) => {
  const node = start(t, { clientMemory: true });
  node.arrive(1, 'a', GIB);
  await started(node);
  node.state.suspended = true;
  node.reader.begun.length = 0;
  await node.next();
  await node.next();
  assert.deepEqual(node.reader.begun, []);
  let series = await node.series();
  assert.equal(series.get(USED), undefined);
  assert.equal(series.get(resident('a')), undefined);
  assert.equal(series.get(`${METRIC.deviceRuntimeSuspended}{pci_bdf="0000:03:00.0"}`), 1);
  node.state.suspended = false;
  await node.next();
  series = await node.series();
  assert.equal(series.get(USED), 6 * GIB);
  assert.equal(series.get(`${METRIC.deviceRuntimeSuspended}{pci_bdf="0000:03:00.0"}`), 0);
});

test('a device with a long autosuspend delay is sampled seldom enough to fall asleep', async (t) => {
  const node = start(t);
  node.state.autosuspendDelayMs = 60_000;
  await started(node);
  for (let tick = 0; tick < 7; tick++) await node.next();
  assert.equal(node.reader.begun.length, 2);
});

test('a device that does not answer loses its values, and is asked no more until it comes back', async (t) => {
  const node = start(t);
  await started(node);
  node.pass(30_000);
  await node.turns();
  assert.equal(node.reader.idle, false);
  node.pass(5_000);
  await node.turns();
  assert.equal((await node.series()).get(USED), undefined);
  assert.match(node.features.all()[0]!.reason, /does not answer/);
  for (let tick = 0; tick < 3; tick++) {
    node.pass(30_000);
    await node.turns();
  }
  assert.equal(node.reader.mostAtOnce, 1);
  node.reader.finish();
  await node.next();
  assert.equal((await node.series()).get(USED), 6 * GIB);
  assert.equal(node.features.all()[0]!.reason, '');
});

test('a snapshot begins with the victim, in the same turn', async (t) => {
  const node = start(t, { topConsumers: true });
  const entries = [node.arrive(1, 'a', GIB), node.arrive(2, 'b', 4 * GIB), node.arrive(3, 'c', 2 * GIB)];
  await started(node);
  node.reader.begun.length = 0;
  node.pass(1_000);
  const taking = node.monitor.snapshot(node.device, entries[0]!.client);
  assert.equal(node.reader.idle, false);
  node.reader.finish();
  const snapshot = await taking;
  assert.deepEqual(node.reader.begun, ['1', 'regions', '2', '3'], 'then the largest');
  assert.ok(snapshot);
  assert.equal(snapshot.ageMs, 0);
  assert.deepEqual(memoryAttributes(snapshot, 1), {
    'xe.memory.vram0.used': 6 * GIB,
    'xe.memory.vram0.size': 12 * GIB,
    'xe.client.memory.vram0.resident': GIB,
    'xe.top_consumers': 'ml/b/main 4.0 GiB (33 %); ml/c/main 2.0 GiB (17 %); ml/a/main 1.0 GiB (8 %)',
  });
  assert.equal(memoryClause(snapshot), 'vram0 6.0 of 12.0 GiB used, most by ml/b/main (4.0 GiB)');
});

test('without the opt-in only the victim is read, and nobody else is named', async (t) => {
  const node = start(t);
  const victim = node.arrive(1, 'a', GIB);
  node.arrive(2, 'b', 4 * GIB);
  const taking = node.monitor.snapshot(node.device, victim.client);
  node.reader.finish();
  const snapshot = await taking;
  assert.deepEqual(node.reader.begun, ['1', 'regions']);
  assert.deepEqual(Object.keys(memoryAttributes(snapshot!, 1)), [
    'xe.memory.vram0.used',
    'xe.memory.vram0.size',
    'xe.client.memory.vram0.resident',
  ]);
  assert.equal(memoryClause(snapshot!), 'vram0 6.0 of 12.0 GiB used');
});

test('who held the memory at the last error has series when asked for, until the next; the log names nobody', async (t) => {
  const node = start(t, { clientMemory: true });
  const atOom = (pod: string) => resident(pod).replace(METRIC.clientMemoryResident, METRIC.clientMemoryAtOom);
  const victim = node.arrive(1, 'a', GIB);
  const largest = node.arrive(2, 'b', 4 * GIB);
  const taking = node.monitor.snapshot(node.device, victim.client);
  node.reader.finish();
  assert.equal(memoryAttributes((await taking)!, 1)['xe.top_consumers'], undefined);
  assert.deepEqual(
    (await taking)!.clients.map(({ drmClientId }) => drmClientId),
    [1],
  );
  let series = await node.series();
  assert.deepEqual([series.get(atOom('a')), series.get(atOom('b'))], [GIB, 4 * GIB]);

  node.clients.remove(largest);
  node.reader.holds.set(victim, inVram(2 * GIB));
  await node.next();
  assert.equal((await node.series()).get(atOom('b')), 4 * GIB, 'it stays until the next error');
  node.pass(1_000);
  const again = node.monitor.snapshot(node.device, victim.client);
  node.reader.finish();
  await again;
  series = await node.series();
  assert.deepEqual([series.get(atOom('a')), series.get(atOom('b'))], [2 * GIB, undefined]);
});

test('a victim that is not known yet can be any of the clients, of whom nobody is named', async (t) => {
  const node = start(t);
  node.arrive(1, 'a', GIB);
  node.arrive(2, 'b', 4 * GIB);
  const taking = node.monitor.snapshot(node.device, undefined);
  node.reader.finish();
  const snapshot = await taking;
  assert.deepEqual(node.reader.begun, ['regions', '1', '2']);
  assert.equal(memoryAttributes(snapshot!, 2)['xe.client.memory.vram0.resident'], 4 * GIB);
  assert.equal(memoryAttributes(snapshot!, 2)['xe.top_consumers'], undefined);
});

test('a snapshot that may name others says for whom memory was moved out in the last minute', async (t) => {
  const node = start(t, { topConsumers: true });
  const victim = node.arrive(1, 'a', GIB);
  node.arrive(2, 'b', GIB);
  node.monitor.evictedFor(node.device.pciBdf, 2, 9 * GIB);
  node.pass(61_000);
  node.monitor.evictedFor(node.device.pciBdf, 2, 2 * GIB);
  node.monitor.evictedFor(node.device.pciBdf, 2, GIB);
  node.monitor.evictedFor(node.device.pciBdf, 1, GIB);
  // A worker of the driver, and another device.
  node.monitor.evictedFor(node.device.pciBdf, 99, 5 * GIB);
  node.monitor.evictedFor('0000:04:00.0', 1, 5 * GIB);
  const taking = node.monitor.snapshot(node.device, victim.client);
  node.reader.finish();
  const snapshot = await taking;
  assert.equal(memoryAttributes(snapshot!, 1)['xe.memory.evicted_for'], 'ml/b/main 3.0 GiB; ml/a/main 1.0 GiB');
  assert.match(memoryClause(snapshot!), /, 3\.0 GiB moved out in the last minute to make room for ml\/b\/main$/);
});

test('errors of one victim in one moment share a snapshot', async (t) => {
  const node = start(t);
  const victim = node.arrive(1, 'a', GIB);
  const takings = Array.from({ length: 1000 }, () => node.monitor.snapshot(node.device, victim.client));
  assert.equal(new Set(takings).size, 1);
  node.reader.finish();
  await Promise.all(takings);
  assert.deepEqual(node.reader.begun, ['1', 'regions']);
});

test('a victim that dies before it is read has what the last sample said, and its age', async (t) => {
  const node = start(t, { topConsumers: true });
  const victim = node.arrive(1, 'a', 5 * GIB);
  await started(node);
  node.pass(7_000);
  node.reader.holds.delete(victim);
  const taking = node.monitor.snapshot(node.device, victim.client);
  node.clients.remove(victim);
  node.reader.finish();
  const snapshot = await taking;
  const attributes = memoryAttributes(snapshot!, 1);
  assert.equal(attributes['xe.client.memory.vram0.resident'], 5 * GIB);
  assert.equal(attributes['xe.memory.snapshot_age'], 7);
});

test('a victim that was never read is honestly absent', async (t) => {
  const node = start(t);
  const victim = node.arrive(1, 'a', GIB);
  node.reader.holds.delete(victim);
  const taking = node.monitor.snapshot(node.device, victim.client);
  node.reader.finish();
  assert.deepEqual((await taking)?.clients, []);
});

test('a read that is late is not waited for: the last sample, its age, and no second read', async (t) => {
  const node = start(t);
  const victim = node.arrive(1, 'a', GIB);
  await started(node);
  node.pass(3_000);
  const taking = node.monitor.snapshot(node.device, victim.client);
  node.pass(400);
  const snapshot = await taking;
  assert.equal(snapshot?.ageMs, 3_000);
  assert.deepEqual(snapshot.regions, vram0(6 * GIB));
  const again = await node.monitor.snapshot(node.device, victim.client);
  assert.equal(again?.ageMs, 3_400);
  assert.equal(node.reader.mostAtOnce, 1);
});

test('what was known long ago is not told, and nothing known is no snapshot', async (t) => {
  const node = start(t);
  const victim = node.arrive(1, 'a', GIB);
  await started(node);
  node.pass(61_000);
  const taking = node.monitor.snapshot(node.device, victim.client);
  node.pass(400);
  assert.equal(await taking, undefined);
});

test('switched off: no read, no snapshot, but the state of the devices', async (t) => {
  const node = start(t, { intervalMs: 0 });
  node.state.inSurvivability = true;
  await node.monitor.start();
  assert.equal(await node.monitor.snapshot(node.device, undefined), undefined);
  assert.ok(node.reader.idle);
  assert.deepEqual(node.features.all()[0]?.state, 'disabled');
  assert.equal((await node.series()).get(`${METRIC.deviceSurvivabilityMode}{pci_bdf="0000:03:00.0"}`), 1);
});

test('the feature says what is refused, and how to mend it', async (t) => {
  const node = start(t, { clientMemory: true });
  const entry = node.arrive(1, 'a', GIB);
  const reported = async () => {
    await node.next();
    const { state, reason, fix } = node.features.all()[0]!;
    return `${state}: ${reason}. ${fix}`;
  };
  await started(node);
  node.reader.holds.set('regions', { operation: 'open', errno: 13 });
  assert.match(await reported(), /^denied: .*open ended with EACCES\..*--path-debugfs/);
  node.reader.holds.set('regions', { operation: 'device_query', errno: 22 });
  assert.match(await reported(), /^unsupported: .*EINVAL/);
  node.reader.holds.set('regions', { operation: 'asleep', errno: 11 });
  assert.match(await reported(), /^active: \. $/);
  node.reader.holds.set('regions', vram0(undefined));
  assert.match(await reported(), /^active: .*sizes only.*CAP_PERFMON/);
  assert.equal((await node.series()).get(USED), undefined);
  node.reader.holds.set(entry, { operation: 'read', errno: 13 });
  assert.match(await reported(), /^denied: clients.*CAP_SYS_PTRACE/);
});

test('stopping waits for nothing that hangs', async (t) => {
  const node = start(t);
  const starting = node.monitor.start();
  await node.monitor.stop();
  await starting;
  assert.equal(await node.monitor.snapshot(node.device, undefined), undefined);
});
