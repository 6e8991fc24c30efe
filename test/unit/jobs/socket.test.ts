// The file of the jobs' socket: when it is made, replaced, refused and removed.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { JobsSocket } from '../../../exporter/jobs/socket.js';
import { cgroupRoot, makeCgroup } from '../../helpers/cgroups.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { folder, serveJobs } from '../../helpers/jobs-socket.js';
import { SocketFlood } from '../../helpers/socket-flood.js';
import { SocketPeer } from '../../helpers/socket-peer.js';
import { leaveSocketBehind } from '../../helpers/stale-socket.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';

const skip = cgroupRoot === undefined && 'needs root: a cgroup2 that this user may write to';

/** Whether somebody takes connections there. */
async function isServed(path: string): Promise<boolean> {
  const socket = connect(path);
  const isTaken = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isTaken;
}

describe("the file of the jobs' socket", () => {
  it('is made with its folder, for every user, and nothing is left beside it', async (t) => {
    const path = join(folder(t), 'a', 'b', 'jobs.sock');
    const { close } = await serveJobs(t, {}, path);
    assert.equal(statSync(path).mode & 0o777, 0o666);
    assert.equal(statSync(dirname(path)).mode & 0o022, 0, 'others may not write to the folder');
    assert.deepEqual(readdirSync(dirname(path)), ['jobs.sock']);
    await close();
    assert.deepEqual(readdirSync(dirname(path)), []);
  });

  it('is replaced when an exporter that was killed has left it behind', async (t) => {
    const path = join(folder(t), 'jobs.sock');
    await leaveSocketBehind(path);
    await leaveSocketBehind(`${path}~`);
    assert.equal(await isServed(path), false);
    await serveJobs(t, {}, path);
    assert.equal(await isServed(path), true);
    assert.deepEqual(readdirSync(dirname(path)), ['jobs.sock']);
  });

  it('is not taken from an exporter that serves it', async (t) => {
    const { path } = await serveJobs(t);
    const { ino } = lstatSync(path);
    await assert.rejects(serveJobs(t, {}, path), { code: 'XEE_JOBS_SOCKET_IN_USE' });
    assert.equal(lstatSync(path).ino, ino);
    assert.equal(await isServed(path), true);
  });

  it('stays when another exporter has put its own there', async (t) => {
    const first = await serveJobs(t);
    const second = await serveJobs(t, {}, join(folder(t), 'jobs.sock'));
    await first.close();
    await second.close();
    const third = await serveJobs(t, {}, first.path);
    await first.close();
    assert.ok(existsSync(third.path));
  });

  const refusals: readonly (readonly [what: string, prepare: (root: string) => string, seen: RegExp])[] = [
    ['in a folder that everybody may write to', openFolder, /everybody may write to .*open/],
    ['at a path that is too long', (root) => join(root, 'x'.repeat(107 - root.length)), /bind ENAMETOOLONG/],
    ['in place of a file', aFile, /something that is no socket is there/],
    ['below a file', (root) => join(aFile(root), 'jobs.sock'), /mkdir (ENOTDIR|EEXIST)/],
  ];
  for (const [what, prepare, seen] of refusals) {
    it(`is refused ${what}`, async (t) => {
      const root = folder(t);
      const path = prepare(root);
      const before = readdirSync(root);
      await assert.rejects(serveJobs(t, {}, path), (error: Error & { code: string; fix: string }) => {
        assert.equal(error.code, 'XEE_JOBS_SOCKET_REFUSED');
        assert.match(error.message, seen);
        assert.match(error.fix, /at most 106 bytes in a folder that this user may write to and others may not/);
        return true;
      });
      assert.deepEqual(readdirSync(root), before, 'nothing is left behind');
    });
  }

  // systemd does that to a service, and a test cannot.
  it('is refused to a service that may open no Unix socket', async (t) => {
    const path = join(folder(t), 'jobs.sock');
    const PeerListener = class {
      open = () => ({ operation: 'socket', errno: 97 });
      drain = () => ({ connections: [] });
      close = () => undefined;
    };
    const socket = new JobsSocket({ path, procRoot: '/proc', native: { PeerListener }, onConnection: () => true });
    await assert.rejects(socket.open(), {
      code: 'XEE_JOBS_SOCKET_FORBIDDEN',
      message: /may open no Unix socket \(socket EAFNOSUPPORT\)/,
    });
  });

  it('can be at a path of 106 bytes, and in a folder like /tmp', async (t) => {
    const root = folder(t);
    await serveJobs(t, {}, join(root, 'x'.repeat(105 - root.length)));
    const sticky = join(root, 'sticky');
    mkdirSync(sticky);
    chmodSync(sticky, 0o1777);
    await serveJobs(t, {}, join(sticky, 's'));
  });
});

describe("an exporter with a jobs' socket", () => {
  const serve = (path: string): Promise<ExporterProcess> =>
    ExporterProcess.serve({ args: [`--jobs-socket=${path}`, '--shutdown-timeout=20s'] });
  const started = async (t: TestContext, path: string): Promise<ExporterProcess> => {
    const exporter = await serve(path);
    t.after(() => exporter.child.kill('SIGKILL'));
    return exporter;
  };

  it('ends with the error when another one serves the socket, and that one stays', async (t) => {
    const { path } = await serveJobs(t);
    await assert.rejects(serve(path), /another process serves it/);
    assert.equal(await isServed(path), true);
  });

  it('stops with streams and connections open, and removes the socket', { skip }, async (t) => {
    const path = join(folder(t), 'jobs.sock');
    const exporter = await started(t, path);
    const cgroup = makeCgroup(t, `kubepods/pod${randomUUID()}/${'c'.repeat(64)}`);
    const bytes = 'GET /events HTTP/1.1\r\nHost: x\r\n\r\n';
    const unread = new SocketFlood(t, path, { connections: 4, bytes, manners: ['unread'], cgroup });
    const silent = new SocketFlood(t, path, { connections: 4, cgroup });
    const reader = await new SocketPeer(t, path, { cgroup }).streaming();
    await silent.until(({ open }) => open === 4, 'silent connections');
    await unread.until(({ open }) => open === 4, 'unread connections');
    const subscribers = (): Promise<number | undefined> => exporter.metric('xe_exporter_job_subscribers');
    await waitFor(async () => (await subscribers()) === 5, { what: 'five streams', deadlineMs: 20_000 });
    assert.equal(await inTime(exporter.stop(), 'the exporter to stop'), 0);
    assert.ok(!existsSync(path));
    await inTime(reader.ended, 'the end of the stream');
    assert.match(reader.body, /: the exporter stops\nretry: 5000\n/);
    await silent.until(({ closed }) => closed === 4, 'the end of the silent connections');
  });

  it('starts again after it was killed', async (t) => {
    const path = join(folder(t), 'jobs.sock');
    const first = await started(t, path);
    await first.stop('SIGKILL');
    assert.ok(existsSync(path));
    await started(t, path);
    assert.equal(await isServed(path), true);
  });
});

function openFolder(root: string): string {
  const path = join(root, 'open');
  mkdirSync(path);
  chmodSync(path, 0o777);
  return join(path, 'jobs.sock');
}

function aFile(root: string): string {
  const path = join(root, 'file');
  writeFileSync(path, '');
  return path;
}
