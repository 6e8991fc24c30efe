import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { jobsSocket } from '../../../exporter/commands/doctor/jobs-check.js';
import { readJobsSocket, type JobsFacts } from '../../../exporter/commands/doctor/jobs-facts.js';
import type { Finding } from '../../../exporter/commands/doctor/finding.js';
import type { NativeAddon } from '../../../exporter/native/binding.js';
import { loadNative } from '../../../exporter/native/load.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { folder, serveJobs } from '../../helpers/jobs-socket.js';
import { leaveSocketBehind } from '../../helpers/stale-socket.js';
import { GOOD } from './doctor-facts.js';

const good = GOOD.jobs!;
const ENOPROTOOPT = 92;

describe("what doctor says of the jobs' socket", () => {
  const cases: readonly [string, JobsFacts | undefined, Finding['status'], RegExp, RegExp][] = [
    ['it is not wanted', undefined, 'off', /^off$/, /--jobs-socket/],
    ['all is well', good, 'ok', /is served, and every user may connect/, /^$/],
    ['no exporter runs yet', { ...good, socket: { seen: 'ENOENT' }, refusal: 'ENOENT' }, 'ok', /is not there/, /^$/],
    ['nobody serves it', { ...good, refusal: 'ECONNREFUSED' }, 'warn', /left behind/, /Start the exporter.*the folder/],
    ['its backlog is full', { ...good, refusal: 'EAGAIN' }, 'ok', /is served/, /^$/],
    ['nobody takes connections', { ...good, refusal: 'ETIMEDOUT' }, 'fail', /connect ETIMEDOUT/, /log/],
    [
      'somebody has changed its mode',
      { ...good, socket: { mode: 0o140600, uid: 0, isSocket: true, isFolder: false } },
      'warn',
      /not every user/,
      /chmod 0666/,
    ],
    [
      'the kernel is too old',
      { ...good, identification: { operation: 'peer_pidfd', errno: ENOPROTOOPT } },
      'fail',
      /SO_PEERPIDFD/,
      /Linux 6\.5/,
    ],
    [
      'the folder is of somebody else',
      {
        ...good,
        folders: [{ path: '/run/xe-exporter', is: { mode: 0o040755, uid: 7, isSocket: false, isFolder: true } }],
      },
      'warn',
      /belongs to user 7/,
      /chown 0/,
    ],
    ['a container hides it', { ...good, filesystem: 'overlay' }, 'warn', /no job can mount it/, /jobs\.enabled/],
    [
      'jobs can read the state file',
      { ...good, stateFile: '/run/xe-exporter/jobs.json' },
      'warn',
      /about all jobs/,
      /--jobs-state-file/,
    ],
  ];
  for (const [when, jobs, status, seen, fix] of cases) {
    it(`when ${when}`, () => {
      const finding = jobsSocket({ jobs });
      assert.equal(finding.status, status, finding.seen);
      assert.match(finding.seen, seen);
      assert.match(finding.fix, fix);
    });
  }
});

describe("what doctor finds of the jobs' socket", () => {
  const native = loadNative();
  const found = async (path: string, addon: Pick<NativeAddon, 'PeerListener'> = native): Promise<Finding> => {
    const config = { jobsSocket: path, jobsStateFile: undefined, procRoot: '/proc' };
    const facts = (await readJobsSocket(config, addon))!;
    // Not where the tests of this machine lie.
    const folders = facts.folders.filter(({ path: each }) => each.includes('/xe-jobs-'));
    return jobsSocket({ jobs: { ...facts, folders, filesystem: undefined } });
  };
  const inFolder = (t: TestContext): string => {
    const path = folder(t);
    chmodSync(path, 0o755);
    return join(path, 'jobs.sock');
  };

  it('without the option', async () => {
    const config = { jobsSocket: undefined, jobsStateFile: undefined, procRoot: '/proc' };
    assert.equal(await readJobsSocket(config, native), undefined);
  });

  it('where it is served', async (t) => {
    const { path, counted } = await serveJobs(t, {}, inFolder(t));
    const { status, seen } = await found(path);
    assert.equal(status, 'ok', seen);
    assert.match(seen, /is served, and every user may connect/);
    assert.deepEqual([counted.answered, counted.subscribers], [0, 0]);
  });

  it('where it was left behind', async (t) => {
    const path = inFolder(t);
    await leaveSocketBehind(path);
    assert.match((await found(path)).seen, /left behind/);
  });

  it('where there is none, nor its folder', async (t) => {
    const path = join(dirname(inFolder(t)), 'a', 'b', 'jobs.sock');
    assert.match((await found(path)).seen, /is not there/);
  });

  it('where there is something else', async (t) => {
    const path = inFolder(t);
    writeFileSync(path, '');
    assert.match((await found(path)).seen, /is no socket/);
    assert.match((await found(join(path, 'jobs.sock'))).seen, /jobs\.sock is no folder/);
  });

  it('where everybody may replace it, or may not enter', async (t) => {
    const path = inFolder(t);
    chmodSync(dirname(path), 0o777);
    assert.match((await found(path)).seen, /everybody may write/);
    chmodSync(dirname(path), 0o1777);
    assert.equal((await found(path)).status, 'ok');
    const closed = join(dirname(path), 'closed');
    mkdirSync(join(closed, 'open'), { recursive: true });
    chmodSync(closed, 0o700);
    const { status, seen } = await found(join(closed, 'open', 'jobs.sock'));
    assert.equal(status, 'warn');
    assert.match(seen, /may not enter .*closed$/);
  });

  it('where the kernel cannot say who connects', async (t) => {
    const PeerListener = function () {
      return { open: () => ({ operation: 'peer_pidfd', errno: ENOPROTOOPT }), close: () => undefined };
    } as unknown as NativeAddon['PeerListener'];
    assert.match((await found(inFolder(t), { PeerListener })).seen, /SO_PEERPIDFD: ENOPROTOOPT/);
  });

  it("where the folder is of the container's own file system, or of a mount in it", async (t) => {
    const tree = new FixtureTree(t);
    const path = inFolder(t);
    const mounts = (more: string): string =>
      `22 1 0:20 / / rw,relatime shared:1 - overlay overlay rw\n23 22 0:21 / /proc rw - proc proc rw\n${more}`;
    const filesystem = async (): Promise<string | undefined> => {
      const config = { jobsSocket: path, jobsStateFile: undefined, procRoot: tree.root };
      return (await readJobsSocket(config, undefined))?.filesystem;
    };
    assert.equal(await filesystem(), undefined);
    tree.file('self/mountinfo', mounts(''));
    assert.equal(await filesystem(), 'overlay');
    tree.file('self/mountinfo', mounts(`24 22 8:1 /x ${dirname(path)} ro,nosuid - ext4 /dev/sda1 rw\n`));
    assert.equal(await filesystem(), 'ext4');
  });
});
