import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ClientIntake } from '../../../exporter/clients/client-intake.js';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { DebugfsDiscovery } from '../../../exporter/clients/discovery/debugfs-discovery.js';
import { NodeDiscovery } from '../../../exporter/clients/discovery/node-discovery.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import { DrmClientDirectory, drmClientIdOf } from '../../../exporter/host/drm-clients.js';
import type { DrmFd, DrmFdScan, NativeAddon, NativeDirectoryWatch } from '../../../exporter/native/binding.js';
import { loadNative } from '../../../exporter/native/load.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { aDevice } from '../../helpers/events.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { waitFor } from '../../helpers/wait-for.js';

const addon = loadNative();
const OURS = '0000:03:00.0';

/** A kernel's debugfs and /proc as directories; the watch on them is the real one. */
class Node {
  readonly debugfs: FixtureTree;
  readonly proc: FixtureTree;
  readonly clients = new ClientTable(100);
  readonly features = new FeatureBoard();
  readonly devices: DeviceTable;
  readonly intake: ClientIntake;
  readonly discovery: DebugfsDiscovery;
  /** What /proc/<pid>/fd shows. */
  fds: DrmFd[] = [];
  /** Pids asked for, one entry a search. */
  readonly searches: number[][] = [];
  readonly refreshes: number[] = [];
  present = [aDevice()];
  native: Pick<NativeAddon, 'findDrmFds' | 'startReads' | 'DirectoryWatch' | 'scanDrmFds'>;

  constructor(t: TestContext, { watch = addon.DirectoryWatch }: { watch?: NativeAddon['DirectoryWatch'] } = {}) {
    this.debugfs = new FixtureTree(t);
    this.proc = new FixtureTree(t);
    this.proc.file('stat', 'btime 1769860800\n');
    this.debugfs.directory('dri');
    this.devices = new DeviceTable(() => (this.refreshes.push(1), this.present));
    this.devices.refresh();
    const scan = (fds: readonly DrmFd[]): DrmFdScan => ({
      fds,
      gpuFree: new Float64Array(),
      processes: 10,
      skipped: 0,
      denied: 0,
    });
    this.native = {
      DirectoryWatch: watch,
      findDrmFds: (_root, pids) => {
        this.searches.push([...pids]);
        return Promise.resolve(scan(this.fds.filter(({ pid }) => pids.includes(pid))));
      },
      scanDrmFds: () => Promise.resolve(scan(this.fds)),
      startReads: addon.startReads,
    };
    const { native, devices, clients, features } = this;
    const procRoot = this.proc.root;
    this.intake = new ClientIntake({ native, procRoot, devices, clients });
    clients.subscribe(this.intake.clientListener);
    this.discovery = new DebugfsDiscovery({
      native,
      debugfsRoot: this.debugfs.root,
      procRoot,
      devices,
      clients,
      intake: this.intake,
      features,
    });
    t.after(() => this.stop());
  }

  async stop(): Promise<void> {
    this.intake.stop();
    await this.discovery.stop();
  }

  /** The directory of a client appears in one piece, as nearly always. */
  announce(id: number, pid: number, device = OURS): void {
    const path = join(this.debugfs.root, `new-${id}`);
    mkdirSync(path);
    writeFileSync(join(path, 'proc_info'), `pid: ${pid}\ncomm: a b: c\n`);
    symlinkSync(`../${device}`, join(path, 'device'));
    mkdirSync(join(this.debugfs.root, 'dri'), { recursive: true });
    // Renamed into place, it would not be a creation: the name is made, then exchanged.
    const target = join(this.debugfs.root, 'dri', `client-${id}`);
    mkdirSync(target);
    renameSync(path, target);
  }

  installFd(pid: number, fd: number, id: number): void {
    this.proc.drmFdinfo(pid, fd, id);
    this.fds.push({ pid, fd, minor: 128, startTime: BigInt(pid), comm: `app${pid}` });
  }

  open(id: number, pid: number, fd: number): void {
    this.installFd(pid, fd, id);
    this.announce(id, pid);
  }

  close(id: number, fd: number): void {
    this.fds = this.fds.filter((found) => found.fd !== fd);
    this.debugfs.remove(`dri/client-${id}`);
  }

  get ids(): number[] {
    return [...this.clients.entries()].map(({ client }) => client.drmClientId).sort((a, b) => a - b);
  }

  async found(...ids: number[]): Promise<void> {
    await waitFor(() => String(this.ids) === String(ids), { what: `the clients ${String(ids)}` });
  }

  state(): string {
    const report = this.features.all().find(({ feature }) => feature === 'discovery_debugfs');
    return report === undefined ? '' : `${report.state} ${report.reason}`.trim();
  }
}

test('names of that directory: clients, devices, minors', () => {
  assert.deepEqual(
    ['client-17', 'client-', 'client-1x', 'xclient-1', OURS, '128', 'client-99999999999999999', 'client--1'].map(
      drmClientIdOf,
    ),
    [17, ...Array<undefined>(7).fill(undefined)],
  );
});

test('what a client directory says, and what is missing in it', (t) => {
  const tree = new FixtureTree(t);
  const directory = new DrmClientDirectory(tree.root);
  assert.throws(() => directory.list(), /ENOENT/);
  tree.file('dri/client-1/proc_info', 'pid: 4711\ncomm: (a) b\n');
  tree.link('dri/client-1/device', `../${OURS}`);
  tree.file('dri/client-2/proc_info', 'pid: 0\ncomm: Unset\n');
  tree.file('dri/client-3/proc_info', 'nonsense\n');
  tree.directory(`dri/${OURS}`);
  assert.deepEqual([...directory.list()].sort(), [1, 2, 3]);
  assert.equal(directory.deviceOf(1), OURS);
  assert.equal(directory.deviceOf(2), undefined);
  assert.equal(directory.pidOf(1), 4711);
  assert.equal(directory.pidOf(2), 0);
  assert.equal(directory.pidOf(3), undefined);
  assert.equal(directory.pidOf(9), undefined);
});

test('a client that is opened is found in its process, without a look at the others', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  assert.equal(node.state(), '', 'nothing is known yet');
  node.open(17, 100, 5);
  await node.found(17);
  assert.equal(node.state(), 'active');
  assert.deepEqual(node.searches, [[100]]);
  const { client, holders } = node.clients.get(17)!;
  assert.equal(client.process.pid, 100);
  assert.deepEqual(holders, node.fds);
});

test('an fd that comes later than its client is waited for', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  node.announce(17, 100);
  await waitFor(() => node.searches.length >= 3, { what: 'some searches' });
  node.installFd(100, 5, 17);
  await node.found(17);
  assert.equal(node.discovery.takeLeft(), false);
});

test('what cannot be found is left to /proc, said once and not searched for again', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  node.announce(18, 0);
  await waitFor(() => node.discovery.takeLeft(), { what: 'the one without a process to be left' });
  node.announce(17, 100);
  await waitFor(() => node.searches.length === 6, { what: 'every attempt' });
  await waitFor(() => node.discovery.takeLeft(), { what: 'it to be left' });
  const listed = node.discovery.list()!;
  assert.deepEqual([...listed].sort(), [17, 18]);
  node.discovery.seek(listed);
  await new Promise(setImmediate);
  assert.equal(node.discovery.takeLeft(), false);
  assert.equal(node.searches.length, 6);
});

test('one fdinfo read a client, though the process has many', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  for (let id = 1; id <= 50; id++) node.open(id, 100, id);
  await node.found(...Array.from({ length: 50 }, (_, index) => index + 1));
  // Would show if one that is known were read again.
  for (let id = 1; id <= 50; id++) node.proc.drmFdinfo(100, id, 1000 + id);
  node.open(51, 100, 51);
  await waitFor(() => node.ids.length === 51, { what: 'the last one' });
  assert.equal(node.ids.at(-1), 51);
});

test('a number that stands for another file now is asked again', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  node.open(17, 100, 5);
  await node.found(17);
  // Closed there and open elsewhere, so that the client lives; and the number is taken by the next.
  node.proc.drmFdinfo(100, 5, 18);
  node.announce(18, 100);
  await node.found(17, 18);
});

test('other drivers, ourselves and processes that are gone cost nothing', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  node.announce(1, 100, '0000:00:02.0');
  node.announce(2, 100, 'vkms');
  node.announce(3, process.pid);
  node.debugfs.directory('dri/client-x');
  node.open(17, 100, 5);
  await node.found(17);
  assert.deepEqual(node.searches, [[100]]);
});

test('a close is the end, unless a watch says so itself', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  node.open(17, 100, 5);
  node.open(18, 100, 6);
  await node.found(17, 18);
  const watched = node.clients.get(18)!;
  node.clients.setWatched(watched, true);
  node.close(17, 5);
  node.close(18, 6);
  await node.found(18);
  assert.equal(watched.watched, true, 'its removal notice frees the watch id');
  assert.deepEqual(watched.holders, []);
  node.clients.remove(watched);
  // The same number, another client: it must be asked.
  node.open(19, 100, 5);
  await node.found(19);
});

test('a client that came and went while JavaScript was busy is not searched for', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  for (let id = 1; id <= 20; id++) {
    node.announce(id, 100);
    node.debugfs.remove(`dri/client-${id}`);
  }
  node.open(21, 100, 5);
  await node.found(21);
  assert.deepEqual(node.searches, [[100]]);
});

test('who was there before is found by the list', async (t) => {
  const node = new Node(t);
  node.open(17, 100, 5);
  const listed = node.discovery.list();
  assert.deepEqual([...(listed ?? [])], [17]);
  node.discovery.seek(listed!);
  await node.found(17);
});

/** Changes handed out by the test instead of the kernel. */
function scriptedWatch() {
  let ready: () => void = () => undefined;
  let next: Partial<ReturnType<NativeDirectoryWatch['drain']>> = {};
  const watch = function ({ onReady }: { onReady: () => void }): NativeDirectoryWatch {
    ready = onReady;
    return {
      open: () => undefined,
      drain: () => ({ created: [], deleted: [], opened: false, overflow: false, gone: false, ...next }),
      close: () => undefined,
    };
  } as unknown as NativeAddon['DirectoryWatch'];
  return {
    watch,
    tell(changes: typeof next) {
      next = changes;
      ready();
    },
  };
}

test('an overflow is answered with the whole list', async (t) => {
  const script = scriptedWatch();
  const node = new Node(t, script);
  node.discovery.list();
  for (let id = 1; id <= 5; id++) node.open(id, 100, id);
  script.tell({ created: ['client-1'], overflow: true });
  await node.found(1, 2, 3, 4, 5);
});

test('the end of the directory is a denial with its fix, and the next list takes it up again', async (t) => {
  const script = scriptedWatch();
  const node = new Node(t, script);
  node.open(17, 100, 5);
  assert.ok(node.discovery.list());
  script.tell({ gone: true });
  assert.equal(node.discovery.active, false);
  assert.match(node.state(), /^denied .*dri is gone/);
  assert.ok(node.discovery.list());
  assert.equal(node.state(), 'active');
  node.debugfs.remove('dri');
  assert.equal(node.discovery.list(), undefined);
  assert.match(node.state(), /^denied/);
});

test('a directory that comes before its content is looked into again', async (t) => {
  const looks = t.mock.method(DrmClientDirectory.prototype, 'deviceOf').mock;
  const node = new Node(t);
  node.discovery.list();
  node.installFd(100, 5, 17);
  node.debugfs.directory('dri/client-17');
  await waitFor(() => looks.callCount() > 0, { what: 'the first look into it' });
  assert.equal(looks.calls[0]?.result, undefined);
  node.debugfs.file('dri/client-17/proc_info', 'pid: 100\ncomm: x\n');
  node.debugfs.link('dri/client-17/device', `../${OURS}`);
  await node.found(17);
});

test('debugfs that is not there, and no device to care for', (t) => {
  const node = new Node(t);
  node.present = [];
  node.devices.refresh();
  assert.equal(node.discovery.list(), undefined);
  assert.equal(node.state(), '');
  node.present = [aDevice()];
  node.devices.refresh();
  node.debugfs.remove('dri');
  assert.equal(node.discovery.list(), undefined);
  assert.match(node.state(), /^denied no debugfs is mounted/);
  node.debugfs.directory('tracing');
  node.discovery.list();
  assert.match(node.state(), /^denied .* has no directory dri/);
});

test('a watch that is refused is a denial', (t) => {
  const refused = function (): NativeDirectoryWatch {
    return {
      open: () => ({ operation: 'inotify_init1', errno: 24 }),
      drain: () => assert.fail(),
      close: () => undefined,
    };
  } as unknown as NativeAddon['DirectoryWatch'];
  const node = new Node(t, { watch: refused });
  assert.equal(node.discovery.list(), undefined);
  assert.equal(node.state(), 'denied inotify_init1 failed with EMFILE');
});

test('a device bound since sysfs was read is found when it has its first client', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  node.present = [...node.present, aDevice({ pciBdf: '0000:09:00.0', renderMinor: 129, cardMinor: 1 })];
  node.proc.drmFdinfo(100, 7, 17);
  node.fds.push({ pid: 100, fd: 7, minor: 129, startTime: 100n, comm: 'app' });
  node.announce(17, 100, '0000:09:00.0');
  await node.found(17);
});

test('a device directory that comes or goes has sysfs read', async (t) => {
  const node = new Node(t);
  node.discovery.list();
  const before = node.refreshes.length;
  node.debugfs.directory('dri/0000:09:00.0');
  await waitFor(() => node.refreshes.length > before, { what: 'sysfs to be read' });
});

interface Whole {
  readonly node: Node;
  readonly discovery: NodeDiscovery;
  readonly scans: () => number;
}

function whole(t: TestContext, mode: 'auto' | 'debugfs' | 'proc'): Whole {
  const node = new Node(t);
  let scans = 0;
  const { devices, clients, features } = node;
  const discovery = new NodeDiscovery({
    mode,
    native: { ...node.native, scanDrmFds: (...args) => (scans++, node.native.scanDrmFds(...args)) },
    procRoot: node.proc.root,
    debugfsRoot: node.debugfs.root,
    devices,
    clients,
    features,
    scanIntervalMs: 5,
  });
  for (const listener of discovery.clientListeners) clients.subscribe(listener);
  t.after(() => discovery.stop());
  return { node, discovery, scans: () => scans };
}

test('with announcements /proc is looked at once, without them again and again', async (t) => {
  const { node, discovery, scans } = whole(t, 'auto');
  node.open(17, 100, 5);
  await discovery.start();
  assert.deepEqual(node.ids, [17]);
  const ticks = node.refreshes.length;
  await waitFor(() => node.refreshes.length > ticks + 10, { what: 'ten intervals' });
  assert.equal(scans(), 1);

  node.announce(18, 999); // In no process that we see: one more look, no more.
  await waitFor(() => scans() === 2, { what: 'the look for the one left' });
  node.debugfs.remove('dri');
  await waitFor(() => scans() > 4, { what: 'regular looks' });
  assert.deepEqual(node.ids, [17]);
});

test('a kernel without client directories is recognised by a client that has none', async (t) => {
  const { node, discovery, scans } = whole(t, 'auto');
  node.debugfs.directory(`dri/${OURS}`);
  await discovery.start();
  await waitFor(() => scans() > 3, { what: 'some looks' });
  assert.equal(node.state(), '', 'without a client there is no telling');
  node.installFd(100, 5, 17);
  await waitFor(() => node.state() !== '', { what: 'the verdict' });
  assert.match(node.state(), /^unsupported/);
  const before = scans();
  await waitFor(() => scans() > before + 2, { what: 'looks to go on' });
});

test('a lost close is noticed at the next list', async (t) => {
  const { node, discovery } = whole(t, 'auto');
  node.open(17, 100, 5);
  node.open(18, 100, 6);
  await discovery.start();
  const entry = node.clients.get(18)!;
  node.clients.setWatched(entry, true);
  node.clients.suspect(entry);
  await waitFor(() => !entry.removalMayBeLost, { what: 'the list to clear the doubt' });
  node.clients.suspect(entry);
  node.close(18, 6);
  await node.found(17);
});

test('each kind of discovery can be switched off', async (t) => {
  const proc = whole(t, 'proc');
  proc.node.open(17, 100, 5);
  await proc.discovery.start();
  assert.match(proc.node.state(), /^disabled/);
  assert.deepEqual(proc.node.ids, [17]);

  const debugfs = whole(t, 'debugfs');
  debugfs.node.open(17, 100, 5);
  await debugfs.discovery.start();
  await debugfs.node.found(17);
  assert.equal(debugfs.scans(), 0);
});
