import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { DrmFd } from '../../exporter/native/binding.js';
import { addon, watchFds } from './harness.js';

const MEM_MAJOR = 1;
const NULL_MINOR = 3;
const ZERO_MINOR = 5;

const root = mkdtempSync(join(tmpdir(), 'xe-scan-'));
after(() => rmSync(root, { recursive: true }));

interface FixtureProcess {
  readonly fds: Readonly<Record<string, string>>;
  readonly stat?: string;
}

function statLine(pid: number, comm: string, startTime: string): string {
  const upTo21 = Array.from({ length: 18 }, (_, i) => String(i)).join(' ');
  return `${pid} (${comm}) S ${upTo21} ${startTime} 12345 0\n`;
}

/** A proc root of its own with these processes; fds are symbolic links, as in the real one. */
function procRoot(name: string, processes: Readonly<Record<string, FixtureProcess>>): string {
  const folder = join(root, name);
  mkdirSync(folder);
  for (const [pid, { fds, stat }] of Object.entries(processes)) {
    mkdirSync(join(folder, pid, 'fd'), { recursive: true });
    for (const [fd, file] of Object.entries(fds)) symlinkSync(file, join(folder, pid, 'fd', fd));
    if (stat !== undefined) writeFileSync(join(folder, pid, 'stat'), stat);
  }
  return folder;
}

function scan(folder: string, ...minors: number[]) {
  return addon.scanDrmFds(folder, MEM_MAJOR, Uint32Array.from(minors));
}

const byPidAndFd = (a: DrmFd, b: DrmFd): number => a.pid - b.pid || a.fd - b.fd;

test('open devices are found with their process', async () => {
  const folder = procRoot('found', {
    7: { fds: { 0: '/dev/null', 3: '/dev/zero', 12: '/dev/null' }, stat: statLine(7, 'compute', '4711') },
    8: { fds: { 0: '/dev/zero', 1: '/' }, stat: statLine(8, 'other', '1') },
    9: { fds: { 5: '/dev/null' }, stat: statLine(9, 'a) (b) 1 2', '18446744073709551615') },
    self: { fds: { 0: '/dev/null' } },
    '10x': { fds: { 0: '/dev/null' } },
    '-1': { fds: { 0: '/dev/null' } },
  });
  const found = await scan(folder, NULL_MINOR);
  assert.deepEqual([...found.fds].sort(byPidAndFd), [
    { pid: 7, fd: 0, minor: NULL_MINOR, startTime: 4711n, comm: 'compute' },
    { pid: 7, fd: 12, minor: NULL_MINOR, startTime: 4711n, comm: 'compute' },
    { pid: 9, fd: 5, minor: NULL_MINOR, startTime: 18446744073709551615n, comm: 'a) (b) 1 2' },
  ]);
  assert.deepEqual(
    { processes: found.processes, denied: found.denied, failure: found.failure },
    {
      processes: 3,
      denied: 0,
      failure: undefined,
    },
  );
  assert.equal((await scan(folder, NULL_MINOR, ZERO_MINOR)).fds.length, 5);
  assert.equal((await scan(folder)).fds.length, 0);
  assert.equal((await addon.scanDrmFds(folder, 226, Uint32Array.of(NULL_MINOR))).fds.length, 0);
});

test('processes that end meanwhile, and stat files that are none, are left out', async () => {
  const fds = { 0: '/dev/null' };
  const folder = procRoot('races', {
    1: { fds },
    2: { fds: { 0: '/nowhere' }, stat: statLine(2, 'dangling', '1') },
    3: { fds, stat: '' },
    4: { fds, stat: '4 (no end' },
    5: { fds, stat: '5 )(' },
    6: { fds, stat: '6 (short) S 1 2 3' },
    7: { fds, stat: statLine(7, 'letters', 'x') },
    8: { fds, stat: statLine(8, '', '99999999999999999999999') },
    9: { fds, stat: statLine(9, 'x'.repeat(64), '9') },
  });
  mkdirSync(join(folder, '10'));
  writeFileSync(join(folder, '11'), '');
  const { fds: found, denied } = await scan(folder, NULL_MINOR);
  assert.deepEqual(
    found.map(({ pid }) => pid),
    [9],
  );
  assert.equal(denied, 0);
});

test('a proc root that cannot be read is the one failure', async () => {
  assert.deepEqual((await scan(join(root, 'missing'), NULL_MINOR)).failure, { operation: 'opendir', errno: 2 });
});

test('the real /proc shows this process, and nothing stays open', async () => {
  const nothingLeftOpen = watchFds();
  const { fds, processes } = await scan('/proc', NULL_MINOR);
  await nothingLeftOpen();
  assert.ok(processes > 0);
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const own = fds.find(({ pid }) => pid === process.pid);
  if (own) assert.equal(own.startTime, BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''));
});

test('a process without such a file is skipped until something about it changes', async () => {
  const folder = procRoot('skipped', {
    7: { fds: { 0: '/dev/null' }, stat: statLine(7, 'compute', '4711') },
    8: { fds: { 0: '/dev/zero' }, stat: statLine(8, 'other', '1') },
    9: { fds: { 0: '/' }, stat: statLine(9, 'third', '2') },
  });
  const look = async (gpuFree?: Float64Array) => {
    const found = await addon.scanDrmFds(folder, MEM_MAJOR, Uint32Array.of(NULL_MINOR), gpuFree);
    const free = Array.from({ length: found.gpuFree.length / 3 }, (_, i) => found.gpuFree[3 * i]);
    return { ...found, pids: found.fds.map(({ pid }) => pid), free: free.sort() };
  };
  const first = await look();
  assert.deepEqual([first.pids, first.free, first.processes, first.skipped], [[7], [8, 9], 3, 0]);
  const second = await look(first.gpuFree);
  assert.deepEqual([second.pids, second.free, second.processes, second.skipped], [[7], [8, 9], 3, 2]);

  // Another process has the number; one has opened something, which shows where the kernel counts open files.
  writeFileSync(join(folder, '8', 'stat'), statLine(8, 'other', '99'));
  symlinkSync('/dev/null', join(folder, '8', 'fd', '1'));
  const third = await look(second.gpuFree);
  assert.deepEqual([third.pids.sort(), third.free, third.skipped], [[7, 8], [9], 1]);
  const counts = first.gpuFree.map((number, i) => number + (i % 3 === 2 ? 1 : 0));
  assert.equal((await look(counts)).skipped, 0);

  assert.throws(() => addon.scanDrmFds(folder, 1, new Uint32Array(), new Float64Array(2)), TypeError);
  assert.throws(() => addon.scanDrmFds(folder, 1, new Uint32Array(), new Float64Array([-1, 0, 0])), TypeError);
  assert.throws(() => addon.scanDrmFds(folder, 1, new Uint32Array(), new Float64Array([NaN, 0, 0])), TypeError);
});

test('only the processes asked for are looked at', async () => {
  const fds = { 3: '/dev/null' };
  const folder = procRoot('asked', {
    7: { fds, stat: statLine(7, 'a', '1') },
    8: { fds, stat: statLine(8, 'b', '2') },
  });
  const found = await addon.findDrmFds(
    folder,
    Uint32Array.of(8, 99, 4294967295),
    MEM_MAJOR,
    Uint32Array.of(NULL_MINOR),
  );
  assert.deepEqual(found.fds, [{ pid: 8, fd: 3, minor: NULL_MINOR, startTime: 2n, comm: 'b' }]);
  assert.equal(found.processes, 1);
  const missing = await addon.findDrmFds(join(root, 'missing'), Uint32Array.of(8), MEM_MAJOR, Uint32Array.of(3));
  assert.deepEqual(missing.failure, { operation: 'opendir', errno: 2 });
});

test('processes of other users are counted as denied', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root to become someone else');
  const { spawnSync } = await import('node:child_process');
  const child = new URL('children/scan-as-nobody.js', import.meta.url).pathname;
  const { stdout, stderr } = spawnSync(process.execPath, [child], { encoding: 'utf8', timeout: 120_000 });
  const { processes, denied, failure } = JSON.parse(stdout || stderr) as {
    processes: number;
    denied: number;
    failure?: unknown;
  };
  assert.equal(failure, undefined);
  assert.ok(denied >= 1 && processes > denied, 'every process but our own');
});
