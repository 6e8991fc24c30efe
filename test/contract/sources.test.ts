import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { ClientTable } from '../../exporter/clients/client-table.js';
import type { Config } from '../../exporter/config/schema.js';
import { FeatureBoard } from '../../exporter/features.js';
import { DeviceTable } from '../../exporter/host/device-table.js';
import { FEATURES, SOURCES, type SourceName } from '../../exporter/names.js';
import type { MessageOrigin } from '../../exporter/native/binding.js';
import { sources } from '../../exporter/sources/index.js';
import type { Source, SourceEntry, StampedBatch } from '../../exporter/sources/source.js';
import { WatchQueueSource } from '../../exporter/sources/watch-queue/source.js';
import { encodeVmError, forEachRecord } from '../../exporter/wire/watch-notification.js';
import { aClient } from '../helpers/events.js';
import { FakeKernel } from '../helpers/fake-kernel.js';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { MadeUpTracefs } from '../helpers/made-up-tracefs.js';
import { aTraceLine } from '../helpers/trace-lines.js';
import { UEVENT } from '../helpers/uevents.js';
import { waitFor } from '../helpers/wait-for.js';

const BDF = '0000:03:00.0';
const EPERM = { operation: 'open', errno: 1 };

/** How the kernel says something to one source. */
interface Subject {
  /** The device the source reads; undefined where it reads none that can fail. */
  readonly protocol?: MessageOrigin['protocol'];
  /** Brings the started source to where it can deliver. */
  readonly ready?: (node: NodeUnderTest) => Promise<void>;
  /** Something happens: the source delivers at least one batch. */
  readonly provoke: (node: NodeUnderTest, index: number) => void;
  /** The options that switch it off. */
  readonly off: Partial<Config>;
}

/** One subject for every source of THE LIST: the compiler and a test see to it. */
const SUBJECTS: Readonly<Record<Exclude<SourceName, 'simulator'>, Subject>> = {
  watch_queue: {
    async ready({ clients, devices, source }) {
      await source.settled();
      const client = aClient({ device: devices.devices[0]! });
      const entry = clients.add(client, [{ pid: 1, fd: 3, minor: 128, startTime: 1n, comm: 'app' }]);
      await waitFor(() => entry?.watched, { what: 'the watch' });
    },
    provoke({ source, clients }, index) {
      assert.ok(source instanceof WatchQueueSource);
      for (const entry of clients.entries()) source.post(entry, (id) => encodeVmError(id, index + 1, -12));
    },
    off: { xeWatchIoctl: 'off' },
  },
  trace: {
    protocol: 'trace',
    provoke({ kernel }) {
      const fields = `(xe_vm_kill+0x4/0xf0 [xe]) pid=1 client=7 asid=1 flags=0x2 dev="${BDF}" comm="app"`;
      const seconds = Number(process.hrtime.bigint() / 1_000n) / 1e6;
      kernel.post('trace', aTraceLine('vm_kill', fields, { comm: 'kworker/0:1', tid: 9, tgid: 9, seconds }));
    },
    off: { trace: 'off' },
  },
  kmsg: {
    protocol: 'kmsg',
    provoke({ kernel, numbers }) {
      const device = ` SUBSYSTEM=pci\n DEVICE=+pci:${BDF}\n`;
      kernel.post('kmsg', `4,${numbers.next++},1000000,-;xe ${BDF}: [drm] VM worker error: -12\n${device}`);
    },
    off: { kmsg: 'off' },
  },
  uevent: {
    protocol: 'uevent',
    provoke: ({ kernel }) => kernel.post('uevent', UEVENT.wedged),
    off: { uevent: 'off' },
  },
};

interface NodeUnderTest {
  readonly kernel: FakeKernel;
  readonly source: Source;
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly features: FeatureBoard;
  readonly batches: StampedBatch[];
  /** Every change that was reported, in order. */
  readonly ups: boolean[];
  readonly changes: string[];
  /** Of kernel log records; they go on after a restart. */
  readonly numbers: { next: number };
  /** Records and messages in the batches so far. */
  records: number;
  restarts: number;
  /** Bytes that waited for JavaScript at most, as reported. */
  queuePeak: number;
  start(): Promise<void>;
}

function open(t: TestContext, entry: SourceEntry, config: Partial<Config> = {}): NodeUnderTest {
  const sysfs = new FixtureTree(t);
  sysfs.xeDevice(BDF, { card0: '226:0', renderD128: '226:128' });
  const tracefs = new MadeUpTracefs(t);
  tracefs.instances('xe-exporter');
  tracefs.probeSwitch('xe-exporter');
  const kernel = new FakeKernel();
  const devices = DeviceTable.overSysfs(sysfs.root);
  devices.refresh();
  const clients = new ClientTable(10);
  const features = new FeatureBoard();
  const node: Omit<NodeUnderTest, 'source'> = {
    kernel,
    devices,
    clients,
    features,
    batches: [],
    ups: [],
    changes: [],
    numbers: { next: 1 },
    records: 0,
    restarts: 0,
    queuePeak: 0,
    start: async () => {
      await source.start((batch) => {
        node.batches.push(batch);
        node.records += recordsIn(batch);
      });
      if (source.up) await SUBJECTS[entry.name as keyof typeof SUBJECTS].ready?.({ ...node, source });
    },
  };
  const source = entry.open({
    config: {
      mode: 'auto',
      xeWatchIoctl: 'auto',
      trace: 'auto',
      kmsg: 'auto',
      // The kernel log of this machine is not that of the fake kernel.
      devRoot: '/nonexistent',
      kmsgSinceBoot: false,
      uevent: 'auto',
      procRoot: '/proc',
      sysRoot: sysfs.root,
      tracefsRoot: tracefs.root,
      readerQueueBytes: 1 << 20,
      events: ['xe.vm.rebind_error'],
      ...config,
    } as Config,
    native: kernel.native,
    devices,
    clients,
    features,
    accounting: {
      upChanged: (name, up) => {
        assert.equal(name, entry.name);
        if (node.ups.at(-1) !== up) node.ups.push(up);
      },
      restarted: () => node.restarts++,
      dropped: () => assert.fail('dropped'),
      queuePeak: (name, bytes) => {
        assert.equal(name, entry.name);
        node.queuePeak = bytes;
      },
      attachFailed: () => assert.fail('attach failed'),
      moved: () => undefined,
    },
    onChanged: (name, state, reason) => node.changes.push(`${name} ${state}: ${reason}`),
  });
  if (source.clientListener) clients.subscribe(source.clientListener);
  if (source.deviceListener) devices.subscribe(source.deviceListener);
  t.after(() => source.stop());
  return Object.assign(node, { source });
}

/** A batch of the watch queue can hold several records; they are there only during the call. */
function recordsIn(batch: StampedBatch): number {
  if (batch.kind !== 'watch_queue') return 1;
  let count = 0;
  forEachRecord(batch.view, batch.start, batch.end, () => count++);
  return count;
}

it('every source of the list is a subject here', () => {
  assert.deepEqual(sources.map(({ name }) => name).sort(), Object.keys(SUBJECTS).sort());
});

for (const entry of sources) {
  const subject = SUBJECTS[entry.name as keyof typeof SUBJECTS];
  const delivered = (node: NodeUnderTest, count: number) =>
    waitFor(() => node.batches.length >= count, { what: `${count} batches` });

  describe(`source: ${entry.name}`, () => {
    it('has a public name and a feature, and opens nothing before it is started', async (t) => {
      const { source, kernel } = open(t, entry);
      assert.ok(SOURCES.includes(entry.name) && FEATURES.includes(entry.feature));
      assert.equal(source.name, entry.name);
      assert.deepEqual([source.up, kernel.opened], [false, 0]);
      await source.stop();
      assert.equal(kernel.opened, 0, 'a source that was never started stops');
    });

    it('is up once started and down once stopped, and its feature is active', async (t) => {
      const node = open(t, entry);
      await node.start();
      assert.equal(node.source.up, true);
      assert.deepEqual(
        node.features.all().map(({ feature, state }) => [feature, state]),
        [[entry.feature, 'active']],
      );
      await node.source.stop();
      assert.equal(node.source.up, false);
      assert.deepEqual(node.ups.slice(-2), [true, false]);
    });

    it('stamps every batch with its name and the time of the read', async (t) => {
      const since = process.hrtime.bigint();
      const realtime = BigInt(Date.now()) * 1_000_000n;
      const node = open(t, entry);
      await node.start();
      subject.provoke(node, 0);
      await delivered(node, 1);
      const minute = 60_000_000_000n;
      for (const { source, monotonicNs, realtimeNs } of node.batches) {
        assert.equal(source, entry.name);
        // The trace has times in whole microseconds.
        assert.ok(monotonicNs >= since - 1_000n && monotonicNs <= process.hrtime.bigint());
        assert.ok(realtimeNs > realtime - minute && realtimeNs < realtime + minute);
      }
    });

    it('delivers what was read before the stop, nothing after it, and stops once', async (t) => {
      const node = open(t, entry);
      await node.start();
      const before = node.kernel.read;
      for (let index = 0; index < 50; index++) subject.provoke(node, index);
      // Without leaving this turn, so that all of it is read and none of it delivered.
      const deadline = performance.now() + 20_000;
      while (node.kernel.read < before + 50 && performance.now() < deadline);
      assert.deepEqual([node.kernel.read - before, node.batches.length], [50, 0]);
      const stopping = node.source.stop();
      assert.equal(node.source.stop(), stopping);
      await stopping;
      assert.equal(node.records, 50);
      assert.ok(node.queuePeak > 0 && node.queuePeak <= 1 << 20, `${node.queuePeak} bytes`);
      const { length } = node.batches;
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(node.batches.length, length);
    });

    it('says what was refused, why, and what to do', async (t) => {
      const node = open(t, entry);
      node.kernel.refusal = EPERM;
      await node.start();
      await node.source.settled();
      assert.equal(node.source.up, false);
      const [report, ...more] = node.features.all();
      assert.deepEqual(more, []);
      assert.equal(report?.feature, entry.feature);
      assert.match(report.state, /^(denied|unsupported)$/);
      assert.match(report.reason, /EPERM/);
      assert.match(report.fix, /\.$/);
    });

    it('names the option that switched it off, and opens nothing', async (t) => {
      const node = open(t, entry, subject.off);
      await node.start();
      const [report] = node.features.all();
      assert.equal(report?.state, 'disabled');
      assert.match(report.reason, /^switched off by --[a-z-]+=off$/);
      assert.deepEqual([node.source.up, node.kernel.opened], [false, 0]);
    });

    it('is started again after it died, and both are reported', { skip: subject.protocol === undefined }, async (t) => {
      const node = open(t, entry);
      await node.start();
      subject.provoke(node, 0);
      await delivered(node, 1);
      node.kernel.fail(subject.protocol!);
      await waitFor(() => node.changes.length > 0, { what: 'its death' });
      assert.match(node.changes[0]!, new RegExp(`^${entry.name} down: .*EIO`));
      await waitFor(() => node.source.up, { what: 'the next run', deadlineMs: 20_000 });
      assert.equal(node.changes[1], `${entry.name} up: `);
      assert.deepEqual([node.restarts, node.ups], [1, [true, false, true]]);
      const { length } = node.batches;
      subject.provoke(node, 1);
      await delivered(node, length + 1);
    });
  });
}
