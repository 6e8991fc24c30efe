import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test, type TestContext } from 'node:test';
import { FeatureBoard } from '../../../exporter/features.js';
import { AWAKE, type DeviceState } from '../../../exporter/host/device-state.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import { ExpositionRegistry } from '../../../exporter/metrics/engine/prom-client-adapter.js';
import { RasMetrics } from '../../../exporter/metrics/ras-metrics.js';
import type { DeviceRead, NativeAddon } from '../../../exporter/native/binding.js';
import { loadNative } from '../../../exporter/native/load.js';
import { RasMonitor } from '../../../exporter/ras/ras-monitor.js';
import { RasReader } from '../../../exporter/ras/ras-reader.js';
import { aDevice } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';
import { DONE, familyAnswer, netlinkStatus, NLMSG, rasCounter, rasNode, uint32 } from '../../helpers/netlink.js';
import { waitFor } from '../../helpers/wait-for.js';

const { EIO, ENOENT, EPERM } = constants.errno;
const addon = loadNative();
const FIRST = aDevice();
const SECOND = aDevice({ pciBdf: '0000:04:00.0' });
const FAMILY = 0x21;

type Counters = Readonly<Record<string, number>>;

/** A kernel that answers in its own bytes, which the addon reads as those of the real one. */
class Kernel {
  family: Uint8Array = familyAnswer(FAMILY);
  /** Nodes by id, and their counters or the errno that reading them ends with. */
  nodes: Record<number, { device: string; name: string; counters: Counters | number }> = {
    4: { device: FIRST.pciBdf, name: 'correctable-errors', counters: { 'device-memory': 5, fabric: 0 } },
    5: { device: FIRST.pciBdf, name: 'uncorrectable-errors', counters: { 'device-memory': 1 } },
    9: { device: '0000:99:00.0', name: 'correctable-errors', counters: {} },
  };
  listing: Uint8Array | undefined;
  /** Devices of which nothing is answered. */
  hangs = false;
  /** Ids of the nodes whose counters were asked for. */
  readonly asked: number[] = [];

  readonly native: Pick<NativeAddon, 'startReads'> = {
    startReads: (reads, onResult) => {
      const answers = reads.map((read) => this.#answer(read));
      if (answers.includes(undefined)) return () => undefined;
      return addon.startReads(answers as DeviceRead[], onResult);
    },
  };

  #answer(read: DeviceRead): DeviceRead | undefined {
    assert.equal(read.kind, 'netlink');
    const request = Buffer.from((read as Extract<DeviceRead, { kind: 'netlink' }>).request);
    const [family, command] = [request.readUInt16LE(4), request.readUInt8(16)];
    const datagrams = family === 0x10 ? [this.family] : command === 1 ? [this.#list()] : [this.#count(request)];
    if (this.hangs && command === 2 && family !== 0x10) return undefined;
    return {
      kind: 'fake_netlink',
      sequence: request.readUInt32LE(8),
      dump: request.readUInt16LE(6) > 1,
      mostBytes: 65_536,
      datagrams,
    };
  }

  #list(): Uint8Array {
    const nodes = Object.entries(this.nodes).map(([id, { device, name }]) => rasNode(Number(id), device, name));
    return this.listing ?? Buffer.concat([...nodes, rasNode(77, FIRST.pciBdf, 'telemetry', 2), DONE]);
  }

  #count(request: Buffer): Uint8Array {
    assert.deepEqual(request.subarray(20, 24), Buffer.from([8, 0, 1, 0]), 'the node id');
    const id = request.readUInt32LE(24);
    this.asked.push(id);
    const counters = this.nodes[id]?.counters ?? ENOENT;
    if (typeof counters === 'number') return netlinkStatus(NLMSG.DONE, -counters);
    const messages = Object.entries(counters).map(([name, value], index) => rasCounter(index + 1, name, value));
    return Buffer.concat([...messages, DONE]);
  }
}

function watching(t: TestContext, kernel: Kernel, given: { intervalMs?: number; deadlineMs?: number } = {}) {
  let present = [FIRST, SECOND];
  const states = new Map<string, DeviceState>();
  const devices = new DeviceTable(() => present);
  devices.refresh();
  const registry = new ExpositionRegistry();
  const features = new FeatureBoard();
  const monitor = new RasMonitor({
    devices,
    reader: new RasReader({ native: kernel.native, sysRoot: '/nonexistent', deadlineMs: given.deadlineMs ?? 60_000 }),
    readState: ({ pciBdf }) => states.get(pciBdf) ?? AWAKE,
    metrics: new RasMetrics(registry),
    features,
    intervalMs: given.intervalMs ?? 1,
  });
  devices.subscribe(monitor.deviceListener);
  t.after(() => monitor.stop());
  const values = async () => parseExposition(await registry.render('text'));
  return {
    monitor,
    states,
    set: (...given: (typeof FIRST)[]) => {
      present = given;
      devices.refresh();
    },
    feature: () => features.all().find(({ feature }) => feature === 'ras'),
    value: async (severity: string, component: string, { pciBdf } = FIRST) =>
      (await values()).get(
        `xe_device_ras_errors_total{pci_bdf="${pciBdf}",severity="${severity}",component="${component}"}`,
      ),
    series: async () => (await values()).size,
  };
}

test('the counters of the devices that are ours, by severity and component', async (t) => {
  const kernel = new Kernel();
  const node = watching(t, kernel, { intervalMs: 3_600_000 });
  await node.monitor.start();
  assert.equal(await node.value('corrected', 'device-memory'), 5);
  assert.equal(await node.value('corrected', 'fabric'), 0, 'born at 0');
  assert.equal(await node.value('uncorrected', 'device-memory'), 1);
  assert.equal(await node.series(), 3);
  assert.deepEqual(node.feature(), { feature: 'ras', state: 'active', reason: '', fix: '' });
  assert.deepEqual(kernel.asked, [4, 5], 'neither that of another driver nor that of another kind');
});

test('a counter that was cleared goes on from where it was', async (t) => {
  const kernel = new Kernel();
  const node = watching(t, kernel);
  await node.monitor.start();
  kernel.nodes[4]!.counters = { 'device-memory': 8 };
  await waitFor(async () => (await node.value('corrected', 'device-memory')) === 8, { what: 'three more' });
  kernel.nodes[4]!.counters = { 'device-memory': 2 };
  await waitFor(async () => (await node.value('corrected', 'device-memory')) === 10, {
    what: 'two since it was cleared',
  });
});

test('a device that was bound again counts from 0', async (t) => {
  const kernel = new Kernel();
  const node = watching(t, kernel);
  await node.monitor.start();
  node.set(SECOND);
  kernel.nodes = { 12: { device: FIRST.pciBdf, name: 'correctable-errors', counters: { 'device-memory': 6 } } };
  node.set({ ...FIRST, binding: 2 }, SECOND);
  await waitFor(async () => (await node.value('corrected', 'device-memory')) === 11, { what: 'six more' });
});

test('a sleeping device is not read', async (t) => {
  const kernel = new Kernel();
  const node = watching(t, kernel);
  node.states.set(FIRST.pciBdf, { ...AWAKE, suspended: true });
  await node.monitor.start();
  assert.deepEqual(kernel.asked, []);
  assert.equal(node.feature()?.state, 'active');
  node.states.delete(FIRST.pciBdf);
  await waitFor(async () => (await node.value('corrected', 'device-memory')) === 5, {
    what: 'a read once it is awake',
  });
});

test('a device that fails, or does not answer, is named; the other one goes on', async (t) => {
  const kernel = new Kernel();
  kernel.nodes[4]!.counters = EIO;
  kernel.nodes[6] = { device: SECOND.pciBdf, name: 'correctable-errors', counters: { pcie: 3 } };
  const node = watching(t, kernel, { deadlineMs: 20 });
  await node.monitor.start();
  assert.match(node.feature()?.reason ?? '', /^hardware error counters of 0000:03:00\.0: the kernel answered EIO$/);
  assert.equal(await node.value('corrected', 'pcie', SECOND), 3);
  assert.equal(await node.value('uncorrected', 'device-memory'), 1, 'the other node of the device that failed');
  kernel.hangs = true;
  await waitFor(() => node.feature()?.reason.endsWith('receive failed with ETIMEDOUT') === true, { what: 'the hang' });
});

const refusals: readonly (readonly [string, (kernel: Kernel) => void, RegExp, RegExp])[] = [
  [
    'the kernel does not have the family',
    (kernel) => (kernel.family = netlinkStatus(NLMSG.ERROR, -ENOENT)),
    /^unsupported: this kernel has no hardware error counters/,
    /CONFIG_DRM_RAS/,
  ],
  [
    'the right is missing',
    (kernel) => (kernel.listing = netlinkStatus(NLMSG.ERROR, -EPERM)),
    /^denied: hardware error counters: the kernel answered EPERM/,
    /CAP_NET_ADMIN/,
  ],
  ['no device has any', (kernel) => (kernel.nodes = {}), /^unsupported: the driver has no/, /Ponte Vecchio/],
  [
    'the answer is damaged',
    (kernel) => (kernel.family = uint32(3)),
    /^unsupported: hardware error counters: message failed with EBADMSG/,
    /kernel log/,
  ],
];
for (const [what, change, seen, fix] of refusals) {
  test(`the feature says so when ${what}`, async (t) => {
    const kernel = new Kernel();
    change(kernel);
    const node = watching(t, kernel, { intervalMs: 3_600_000 });
    await node.monitor.start();
    const { state, reason, fix: advice } = node.feature()!;
    assert.match(`${state}: ${reason}`, seen);
    assert.match(advice, fix);
    assert.equal(await node.series(), 0);
  });
}

test('stopping does not wait for a device that hangs', async (t) => {
  const kernel = new Kernel();
  kernel.hangs = true;
  const node = watching(t, kernel);
  const first = node.monitor.start();
  await node.monitor.stop();
  await first;
  assert.equal(node.feature(), undefined);
});
