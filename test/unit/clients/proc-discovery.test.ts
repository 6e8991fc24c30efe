import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { ClientIntake } from '../../../exporter/clients/client-intake.js';
import { ProcDiscovery } from '../../../exporter/clients/discovery/proc-discovery.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import type { XeDevice } from '../../../exporter/host/device.js';
import type { DrmFd, DrmFdScan } from '../../../exporter/native/binding.js';
import { loadNative } from '../../../exporter/native/load.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { aDevice } from '../../helpers/events.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { waitFor } from '../../helpers/wait-for.js';

function start(t: TestContext, { limit = 100, identificationDeadlineMs = 2_000 } = {}) {
  const proc = new FixtureTree(t);
  proc.file('stat', 'btime 1769860800\n');
  const clients = new ClientTable(limit);
  const features = new FeatureBoard();
  const device = aDevice();
  let present = [device, aDevice({ pciBdf: '0000:04:00.0', cardMinor: 1, renderMinor: 129 })];
  const devices = new DeviceTable(() => present);
  devices.refresh();
  const nothing: DrmFdScan = { fds: [], gpuFree: new Float64Array(), processes: 10, skipped: 0, denied: 0 };
  let scan = nothing;
  const refused: number[] = [];
  const scans: number[][] = [];
  let duringScan: () => void = () => undefined;
  const skips: number[][] = [];
  const intake = new ClientIntake({
    native: loadNative(),
    procRoot: proc.root,
    devices,
    clients,
    identificationDeadlineMs,
  });
  const discovery = new ProcDiscovery({
    native: {
      scanDrmFds: (_root, major, minors, gpuFree) => {
        scans.push([major, ...minors]);
        skips.push([...(gpuFree ?? [])]);
        duringScan();
        return Promise.resolve(scan);
      },
    },
    procRoot: proc.root,
    devices,
    clients,
    intake,
    features,
    onRefused: (count) => refused.push(count),
  });
  clients.subscribe(intake.clientListener);
  clients.subscribe(discovery.clientListener);
  t.after(() => intake.stop());
  return {
    proc,
    clients,
    features,
    device,
    intake,
    refused,
    scans,
    skips,
    plug(more: XeDevice) {
      present = [...present, more];
      devices.refresh();
    },
    unplug() {
      present = [];
      devices.refresh();
    },
    whileScanning: (action: () => void) => (duringScan = action),
    look(fds: readonly DrmFd[], given: Partial<DrmFdScan> = {}) {
      scan = { ...nothing, fds, ...given };
      return discovery.look();
    },
    ids: () => [...clients.entries()].map(({ client }) => client.drmClientId).sort((a, b) => a - b),
  };
}

function open(pid: number, fd: number, given: Partial<DrmFd> = {}): DrmFd {
  return { pid, fd, minor: 128, startTime: BigInt(pid), comm: `app${pid}`, ...given };
}

test('a new client is told with its process as it is now', async (t) => {
  const { proc, look, clients, device, scans } = start(t);
  proc.drmFdinfo(100, 5, 17);
  proc.link('100/exe', '/opt/app/trainer');
  await look([open(100, 5)]);
  const { client, holders, watched } = clients.get(17)!;
  assert.deepEqual(client, {
    drmClientId: 17,
    device,
    process: { pid: 100, startTime: 100n, executable: 'trainer', createdAt: '2026-01-31T12:00:01.000Z' },
    workload: undefined,
    holderCount: 1,
  });
  assert.equal(holders.length, 1);
  assert.equal(watched, false);
  assert.deepEqual(scans, [[226, 128, 0, 129, 1]], 'both nodes of each device, by number');
});

test('dup, fork and SCM_RIGHTS make more fds of one client, and the oldest process has it', async (t) => {
  const { proc, look, clients, ids } = start(t);
  const fds = [open(300, 9), open(200, 5), open(200, 6), open(400, 3, { minor: 0 })];
  for (const { pid, fd } of fds) proc.drmFdinfo(pid, fd, 17);
  await look(fds);
  assert.deepEqual(ids(), [17]);
  const entry = clients.get(17)!;
  assert.equal(entry.client.process.pid, 200);
  assert.deepEqual(
    entry.holders.map(({ pid, fd }) => `${pid}/${fd}`),
    ['200/5', '200/6', '300/9', '400/3'],
  );

  assert.equal(entry.client.holderCount, 3);

  await look(fds.filter(({ pid }) => pid !== 200));
  assert.equal(clients.get(17), entry, 'the process that opened it is gone, its child still has it');
  assert.equal(entry.client.process.pid, 200, 'it keeps the name it was found under');
  assert.equal(entry.client.holderCount, 2);
});

test('two clients of one process are two; other drivers and our own files are none', async (t) => {
  const { proc, look, ids } = start(t);
  proc.drmFdinfo(100, 5, 17);
  proc.drmFdinfo(100, 6, 18);
  proc.drmFdinfo(100, 7, 19, 'i915');
  proc.drmFdinfo(process.pid, 8, 20);
  proc.file('100/fdinfo/9', 'pos:\t0\n');
  await look([5, 6, 7, 9].map((fd) => open(100, fd)).concat(open(process.pid, 8)));
  assert.deepEqual(ids(), [17, 18]);
});

test('a file is asked once, not at every look', async (t) => {
  const { proc, look, ids } = start(t);
  proc.drmFdinfo(100, 5, 17);
  await look([open(100, 5)]);
  proc.drmFdinfo(100, 5, 99); // would show if it were read again
  await look([open(100, 5)]);
  assert.deepEqual(ids(), [17]);
});

test('an unwatched client that is gone leaves; another process with the same numbers is somebody else', async (t) => {
  const { proc, look, ids } = start(t);
  proc.drmFdinfo(100, 5, 17);
  await look([open(100, 5)]);
  await look([]);
  assert.deepEqual(ids(), []);
  proc.drmFdinfo(100, 5, 18);
  await look([open(100, 5, { startTime: 999n })]);
  assert.deepEqual(ids(), [18]);
});

test('after a removal the fd number may be another client’s, and is asked again', async (t) => {
  const { proc, look, clients, ids } = start(t);
  proc.drmFdinfo(100, 5, 17);
  await look([open(100, 5)]);
  const entry = clients.get(17)!;
  clients.setWatched(entry, true);
  clients.remove(entry); // as the source does when it reads the removal
  proc.drmFdinfo(100, 5, 18);
  await look([open(100, 5)]);
  assert.deepEqual(ids(), [18]);
});

test('after a loss the fd number is asked again, and its new owner does not keep the old one alive', async (t) => {
  const { proc, look, clients, ids } = start(t);
  proc.drmFdinfo(100, 5, 17);
  await look([open(100, 5)]);
  const entry = clients.get(17)!;
  clients.setWatched(entry, true);
  clients.suspect(entry);
  proc.drmFdinfo(100, 5, 18);
  await look([open(100, 5)]);
  assert.deepEqual(ids(), [17, 18], 'one look can race');
  await look([open(100, 5)]);
  assert.deepEqual(ids(), [18]);
});

test('losses during every look do not make a client that is there absent', async (t) => {
  const { proc, look, clients, whileScanning } = start(t);
  proc.drmFdinfo(100, 5, 17);
  await look([open(100, 5)]);
  const entry = clients.get(17)!;
  clients.setWatched(entry, true);
  for (let i = 0; i < 5; i++) {
    whileScanning(() => clients.suspect(entry));
    const looking = look([open(100, 5)]);
    clients.suspect(entry);
    await looking;
  }
  assert.equal(clients.get(17), entry);
  assert.equal(clients.get(17)?.watched, true);
});

test('a client that leaves during a look is not taken for a new one', async (t) => {
  const { proc, look, clients, ids } = start(t);
  for (let fd = 0; fd < 40; fd++) proc.drmFdinfo(100, fd, 1000 + fd);
  const first = open(100, 0);
  await look([first]);
  const entry = clients.get(1000)!;
  clients.setWatched(entry, true);
  // It leaves as soon as the next one comes in: later ones are still being named.
  clients.subscribe({ added: () => clients.remove(entry) });
  await look([open(100, 1), first, open(100, 2)]);
  assert.deepEqual(ids(), [1001, 1002]);
});

test('a GPU that does not answer costs one read, not the look, not the other GPU and not the stop', async (t) => {
  const { proc, look, intake, ids } = start(t, { identificationDeadlineMs: 500 });
  for (const fd of [1, 2]) makeStuck(proc, 100, fd);
  proc.drmFdinfo(200, 5, 17);
  proc.drmFdinfo(200, 6, 18);
  const other = { minor: 129 };
  const fds = [open(100, 1), open(100, 2), open(200, 5, other)];
  await look(fds);
  assert.deepEqual(ids(), [17]);
  await look([...fds, open(200, 6, other)]);
  assert.deepEqual(ids(), [17, 18], 'still, at the next look');
  assert.equal(release(proc, 100, 2), false, 'the second file was not even asked: one read a device');
  assert.equal(release(proc, 100, 1), true);

  proc.drmFdinfo(100, 2, 19);
  await waitFor(async () => (await look(fds), ids().includes(19)), { what: 'the device to be asked again' });

  makeStuck(proc, 100, 3);
  const looking = look([...fds, open(100, 3)]);
  intake.stop();
  await looking;
  release(proc, 100, 3);
});

test('what was answered before a read hangs counts, and what was not asked is asked later', async (t) => {
  const { proc, look, ids } = start(t, { identificationDeadlineMs: 500 });
  const fds = [1, 2, 3].map((fd) => open(100, fd));
  proc.drmFdinfo(100, 1, 17);
  makeStuck(proc, 100, 2);
  proc.drmFdinfo(100, 3, 19);
  await look(fds);
  assert.deepEqual(ids(), [17]);
  assert.equal(release(proc, 100, 2), true);
  await waitFor(async () => (await look(fds), ids().includes(19)), { what: 'the third file' });
  assert.deepEqual(ids(), [17, 19]);
});

test('an answer that does not come leaves a doubted client as it is', async (t) => {
  const { proc, look, clients } = start(t, { identificationDeadlineMs: 500 });
  proc.drmFdinfo(100, 5, 17);
  await look([open(100, 5)]);
  const entry = clients.get(17)!;
  clients.setWatched(entry, true);
  clients.suspect(entry);
  proc.remove('100/fdinfo/5');
  makeStuck(proc, 100, 5);
  for (let i = 0; i < 4; i++) await look([open(100, 5)]);
  assert.equal(clients.get(17), entry);
  release(proc, 100, 5);
});

test('a process without a GPU file is looked through after 1, 2, 4 ... 32 skips, and at once when it has another number of files', async (t) => {
  const { look, skips } = start(t);
  const skipped = async (...gpuFree: number[]) => {
    await look([], { gpuFree: Float64Array.from(gpuFree) });
    return skips.at(-1)!.length > 0;
  };
  const history: boolean[] = [];
  for (let i = 0; i < 100; i++) history.push(await skipped(100, 4711, 9));
  const runs = history
    .map((skip) => (skip ? 's' : 'L'))
    .join('')
    .split('L')
    .map(({ length }) => length);
  assert.deepEqual(runs, [0, 1, 2, 4, 8, 16, 32, 30]);
  assert.deepEqual(skips.at(-1), [100, 4711, 9]);

  assert.equal(
    await skipped(100, 4711, 10),
    true,
    'offered, and looked through by the scan, which found another number',
  );
  assert.deepEqual((await skipped(100, 4711, 10), skips.at(-1)), [100, 4711, 10]);
  assert.equal(await skipped(100, 9999, 10), true);
  assert.deepEqual((await skipped(100, 9999, 10), skips.at(-1)), [100, 9999, 10], 'another process with that pid');
  assert.equal(await skipped(100, 9999, 10), false, 'which starts from the beginning');
  await skipped();
  assert.equal(await skipped(), false, 'a process that is gone, or has opened the GPU, is forgotten');
});

test('with a new device nobody is known to be without it', async (t) => {
  const { look, skips, plug } = start(t);
  const gpuFree = Float64Array.of(100, 1, 1);
  await look([], { gpuFree });
  plug(aDevice({ pciBdf: '0000:05:00.0', cardMinor: 2, renderMinor: 130 }));
  await look([], { gpuFree });
  assert.deepEqual(skips, [[], []]);
});

test('a client somebody else adds during a look is not taken for absent', async (t) => {
  const { proc, look, clients, intake, whileScanning, ids } = start(t);
  proc.drmFdinfo(100, 5, 17);
  let added: Promise<unknown> = Promise.resolve();
  whileScanning(() => {
    added = intake.identify([open(100, 5)]).then(() => intake.admit(intake.sighting([open(100, 5)]).holders));
  });
  await look([]);
  await added;
  assert.deepEqual(ids(), [17]);
  whileScanning(() => undefined);
  await look([]);
  assert.deepEqual(ids(), []);
  assert.equal(clients.get(17), undefined);
});

test('found twice at the same time, a client is added once; told to be gone meanwhile, it is not added', async (t) => {
  const { proc, clients, intake, look, ids } = start(t);
  const added: number[] = [];
  clients.subscribe({ added: ({ client }) => added.push(client.drmClientId) });
  proc.drmFdinfo(100, 5, 17);
  await intake.identify([open(100, 5)]);
  const { holders } = intake.sighting([open(100, 5)]);
  await Promise.all([look([open(100, 5)]), intake.admit(holders), intake.admit(holders)]);
  assert.deepEqual(added, [17]);

  proc.drmFdinfo(100, 6, 18);
  const looking = look([open(100, 5), open(100, 6)]);
  intake.ended(18);
  await looking;
  assert.deepEqual(ids(), [17]);
});

test('without a device nothing is scanned, and what was there is gone', async (t) => {
  const { proc, look, ids, scans, unplug } = start(t);
  proc.drmFdinfo(100, 5, 17);
  await look([open(100, 5)]);
  unplug();
  await look([open(100, 5)]);
  assert.deepEqual(ids(), []);
  assert.equal(scans.length, 1);
});

test('a full table refuses and says how many, once a look', async (t) => {
  const { proc, look, ids, refused } = start(t, { limit: 2 });
  const fds = Array.from({ length: 5 }, (_, index) => open(100 + index, 5));
  for (const [index, { pid, fd }] of fds.entries()) proc.drmFdinfo(pid, fd, 1 + index);
  await look(fds);
  assert.equal(ids().length, 2);
  assert.deepEqual(refused, [3]);
  await look(fds.slice(2));
  assert.deepEqual(ids(), [3, 4], 'room is used at the look that finds it');
  assert.deepEqual(refused, [3, 1]);
});

test('what may not be seen is a feature state with its fix', async (t) => {
  const { look, features } = start(t);
  const state = () => features.all().map(({ state, reason, fix }) => ({ state, reason, fixed: fix !== '' }));
  await look([]);
  assert.deepEqual(state(), [{ state: 'active', reason: '', fixed: false }]);
  await look([], { processes: 10, denied: 3 });
  assert.deepEqual(state(), [{ state: 'denied', reason: 'some processes cannot be inspected', fixed: true }]);
  await look([], { processes: 10, denied: 10 });
  assert.deepEqual(state(), [{ state: 'denied', reason: 'no process can be inspected', fixed: true }]);
  await look([], { failure: { operation: 'opendir', errno: 2 } });
  assert.match(state()[0]!.reason, /cannot be read/);
});

test('a look that could not see leaves the clients as they are', async (t) => {
  const { proc, look, ids } = start(t);
  proc.drmFdinfo(100, 5, 17);
  await look([open(100, 5)]);
  await look([], { failure: { operation: 'opendir', errno: 13 } });
  assert.deepEqual(ids(), [17]);
});

test('many clients arrive in one look', async (t) => {
  const { proc, look, ids } = start(t, { limit: 1000 });
  const fds = Array.from({ length: 500 }, (_, index) => open(1000 + index, 5));
  for (const [index, { pid, fd }] of fds.entries()) proc.drmFdinfo(pid, fd, index);
  await look(fds);
  assert.equal(ids().length, 500);
});

/** A read that hangs as xe's does while the GPU hangs: a FIFO nobody writes to. */
function makeStuck(proc: FixtureTree, pid: number, fd: number): void {
  proc.directory(`${pid}/fdinfo`);
  execFileSync('mkfifo', [join(proc.root, `${pid}/fdinfo/${fd}`)]);
}

/** Lets a stuck read end. @returns whether there was one */
function release(proc: FixtureTree, pid: number, fd: number): boolean {
  try {
    const end = openSync(join(proc.root, `${pid}/fdinfo/${fd}`), constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(end, 'pos:\t0\n');
    closeSync(end);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    return false;
  } finally {
    proc.remove(`${pid}/fdinfo/${fd}`);
  }
}
