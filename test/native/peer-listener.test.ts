import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { NativePeerListener, PeerConnection } from '../../exporter/native/binding.js';
import { waitFor } from '../helpers/wait-for.js';
import { addon, watchFds } from './harness.js';

const [EADDRINUSE, ENAMETOOLONG, EBADF, ENOENT, EPERM] = [98, 36, 9, 2, 1];

function folder(t: Pick<TestContext, 'after'>): string {
  const path = mkdtempSync(join(tmpdir(), 'xe-peers-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A listener that is drained whenever it says so. */
class Listening {
  readonly path: string;
  readonly taken: PeerConnection[] = [];
  readonly listener: NativePeerListener;

  constructor(t: Pick<TestContext, 'after'>, procRoot = '/proc') {
    this.path = join(folder(t), 's');
    this.listener = new addon.PeerListener({ path: this.path, procRoot, onReady: () => this.#drain() });
    assert.equal(this.listener.open(), undefined);
    t.after(() => {
      this.listener.close();
      for (const { fd } of this.taken) closeSync(fd);
    });
  }

  #drain(): void {
    this.taken.push(...this.listener.drain().connections);
  }

  async next(count: number): Promise<readonly PeerConnection[]> {
    await waitFor(() => this.taken.length >= count, { what: `${count} connections`, deadlineMs: 20_000 });
    return this.taken;
  }
}

test('who connects is named by the kernel, with its cgroup', async (t) => {
  const listening = new Listening(t);
  assert.equal(statSync(listening.path).mode & 0o777, 0o666);
  const socket = connect(listening.path);
  t.after(() => socket.destroy());
  const [own] = await listening.next(1);
  assert.equal(own?.pid, process.pid);
  assert.equal(own.failure, undefined);
  assert.equal(Buffer.from(own.cgroup).toString(), readFileSync('/proc/self/cgroup', 'utf8'));

  const child = spawn(process.execPath, ['-e', `require('net').connect(${JSON.stringify(listening.path)})`]);
  t.after(() => child.kill());
  const [, other] = await listening.next(2);
  assert.equal(other?.pid, child.pid);
});

/** A listener that takes no second batch of connections before its first one is drained, so that who connects can end in between. */
async function occupied(t: Pick<TestContext, 'after'>) {
  const path = join(folder(t), 's');
  let ready = 0;
  const listener = new addon.PeerListener({ path, procRoot: '/proc', onReady: () => ready++ });
  t.after(() => listener.close());
  assert.equal(listener.open(), undefined);
  const socket = connect(path);
  t.after(() => socket.destroy());
  await waitFor(() => ready === 1, { what: 'the first connection' });
  const assertNobody = async (): Promise<void> => {
    const first = listener.drain().connections;
    await waitFor(() => ready === 2, { what: 'the second connection' });
    const [gone] = listener.drain().connections;
    assert.ok(gone?.failure, 'it cannot be identified');
    assert.equal(gone.cgroup.length, 0);
    for (const { fd } of [...first, gone]) closeSync(fd);
  };
  return { path, assertNobody };
}

test('a process that has ended by then has no cgroup', async (t) => {
  const { path, assertNobody } = await occupied(t);
  const child = spawn(process.execPath, [
    '-e',
    `require('net').connect(${JSON.stringify(path)}, () => process.exit())`,
  ]);
  await once(child, 'close');
  await assertNobody();
});

/** Connects in a child, which ends; then starts another child with the number of the first one (clone3(2), set_tid). */
const SAME_PID = `
import ctypes, os, signal, socket, struct, sys
connection = socket.socket(socket.AF_UNIX)
pid = os.fork()
if pid == 0:
    connection.connect(sys.argv[1])
    os._exit(0)
os.waitpid(pid, 0)
wanted = (ctypes.c_int * 1)(pid)
clone_args = struct.pack('11Q', 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
libc = ctypes.CDLL(None, use_errno=True)
again = libc.syscall(435, ctypes.create_string_buffer(clone_args), len(clone_args))
if again == 0:
    os.read(0, 1)
    os._exit(0)
os.write(1, b'%d %d %d\\n' % (pid, again, ctypes.get_errno()))
os.read(0, 1)
`;

test('a process that has the very number of one that connected and ended is not taken for it', async (t) => {
  const { path, assertNobody } = await occupied(t);
  const child = spawn('python3', ['-c', SAME_PID, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  t.after(async () => {
    child.stdin.end();
    await closed;
  });
  const [said] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const [ended, again, errno] = said.trim().split(' ').map(Number);
  if (again === -1 && errno === EPERM) return t.skip('choosing the number of a process needs root');
  assert.equal(again, ended, said);
  assert.ok(readFileSync(`/proc/${ended}/cgroup`, 'utf8'), 'there is a process of that number');
  await assertNobody();
});

test('a process outside the procfs has pid 0 and no cgroup', async (t) => {
  const folderOfInner = folder(t);
  const script = `
    const { mkdirSync } = require('node:fs');
    const addon = require(${JSON.stringify(addonPath())});
    const path = process.argv[1];
    const listener = new addon.PeerListener({ path, procRoot: '/proc', onReady() {
      const [{ pid, cgroup }] = listener.drain().connections;
      console.log(JSON.stringify({ pid, bytes: cgroup.length }));
      process.exit();
    } });
    console.log(JSON.stringify(listener.open() ?? 'open'));`;
  const path = join(folderOfInner, 's');
  const inner = spawn('unshare', ['--pid', '--fork', '--mount-proc', process.execPath, '-e', script, path]);
  let said = '';
  inner.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(inner, 'close');
  await Promise.race([ended, waitFor(() => said.includes('\n'), { what: 'the listener', deadlineMs: 20_000 })]);
  if (said === '') return t.skip('unshare needs root');
  assert.equal(said, '"open"\n');
  const socket = connect(path);
  t.after(() => socket.destroy());
  await ended;
  assert.equal(said.split('\n')[1], '{"pid":0,"bytes":0}');
});

test('many connections come in turns, and none is lost', async (t) => {
  const listening = new Listening(t);
  const sockets = Array.from({ length: 200 }, () => connect(listening.path).on('error', () => undefined));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const connected = sockets.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')]));
  await Promise.all(connected);
  await listening.next(sockets.filter((socket) => !socket.destroyed).length);
  assert.ok(listening.taken.every(({ pid }) => pid === process.pid));
});

test('what was not drained is closed, and the file stays', async (t) => {
  const path = join(folder(t), 's');
  const nothingLeftOpen = watchFds();
  let ready = 0;
  const listener = new addon.PeerListener({ path, procRoot: '/proc', onReady: () => ready++ });
  assert.equal(listener.open(), undefined);
  const socket = connect(path);
  const closed = once(socket, 'close');
  socket.resume();
  await waitFor(() => ready === 1, { what: 'the connection' });
  listener.close();
  listener.close();
  await closed;
  assert.ok(statSync(path).isSocket());
  assert.equal(listener.open()?.errno, EBADF);
  await nothingLeftOpen();
});

test('refusals say which operation and why', (t) => {
  const root = folder(t);
  const refusal = (path: string) =>
    new addon.PeerListener({ path, procRoot: '/proc', onReady: () => undefined }).open();
  writeFileSync(join(root, 'file'), '');
  assert.deepEqual(refusal(join(root, 'file')), { operation: 'bind', errno: EADDRINUSE });
  assert.deepEqual(refusal(join(root, 'a'.repeat(200))), { operation: 'bind', errno: ENAMETOOLONG });
  assert.deepEqual(refusal(join(root, 'missing', 's')), { operation: 'bind', errno: ENOENT });
});

function addonPath(): string {
  return process.env['XE_EXPORTER_NATIVE_PATH'] ?? join(process.cwd(), 'native/build/Release/xe_exporter.node');
}
