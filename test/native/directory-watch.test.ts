import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { NativeDirectoryWatch } from '../../exporter/native/binding.js';
import { waitFor } from '../helpers/wait-for.js';
import { addon, watchFds, range } from './harness.js';

const [ENOENT, EACCES, EBADF, ENOTDIR, EMFILE] = [2, 13, 9, 20, 24];
const queueLimit = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));

function folder(t: Pick<TestContext, 'after'>): string {
  const path = mkdtempSync(join(tmpdir(), 'xe-directory-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A watch that drains whenever it is told to, as the exporter does. */
class Watched {
  readonly created: string[] = [];
  readonly deleted: string[] = [];
  overflow = false;
  gone = false;
  calls = 0;
  readonly watch: NativeDirectoryWatch;

  constructor(t: Pick<TestContext, 'after'>, path: string) {
    this.watch = new addon.DirectoryWatch({ path, onReady: () => this.#ready() });
    assert.equal(this.watch.open(), undefined);
    t.after(() => this.watch.close());
  }

  #ready(): void {
    this.calls++;
    const { created, deleted, overflow, gone } = this.watch.drain();
    this.created.push(...created);
    this.deleted.push(...deleted);
    this.overflow ||= overflow;
    this.gone ||= gone;
  }
}

test('names that come and go are told, in order, and what is inside of them is not', async (t) => {
  const path = folder(t);
  writeFileSync(join(path, 'before'), '');
  const watched = new Watched(t, path);
  mkdirSync(join(path, 'client-1'));
  writeFileSync(join(path, 'client-1', 'inside'), '');
  symlinkSync('nowhere', join(path, 'client-2 ä'));
  writeFileSync(join(path, 'before'), 'changed');
  rmSync(join(path, 'client-1'), { recursive: true });
  await waitFor(() => watched.deleted.length > 0, { what: 'the deletion' });
  assert.deepEqual(watched.created, ['client-1', 'client-2 ä']);
  assert.deepEqual(watched.deleted, ['client-1']);
  assert.deepEqual([watched.overflow, watched.gone], [false, false]);
});

test('10,000 names while JavaScript is busy arrive, with few calls', async (t) => {
  const path = folder(t);
  const watched = new Watched(t, path);
  const names = range(0, Math.min(10_000, queueLimit - 1)).map((i) => `client-${i}`);
  for (const name of names) writeFileSync(join(path, name), '');
  await waitFor(() => watched.created.length >= names.length, { what: 'all names' });
  assert.deepEqual(watched.created, names);
  assert.equal(watched.overflow, false);
  assert.ok(watched.calls < 100, `${watched.calls} calls`);
});

test('more than the kernel keeps is an overflow, said once, and the watch goes on', async (t) => {
  const path = folder(t);
  const watched = new Watched(t, path);
  for (let i = 0; i < queueLimit + 100; i++) mkdirSync(join(path, `client-${i}`));
  await waitFor(() => watched.overflow, { what: 'the overflow' });
  assert.equal(watched.created.length, queueLimit);
  watched.overflow = false;
  mkdirSync(join(path, 'after'));
  await waitFor(() => watched.created.at(-1) === 'after', { what: 'what came after the overflow' });
  assert.equal(watched.overflow, false);
});

test('the end of the directory', async (t) => {
  const path = folder(t);
  const removed = join(path, 'removed');
  const moved = join(path, 'moved');
  for (const name of [removed, moved]) mkdirSync(name);
  const [first, second] = [new Watched(t, removed), new Watched(t, moved)];
  rmdirSync(removed);
  renameSync(moved, `${moved}-away`);
  await waitFor(() => first.gone && second.gone, { what: 'both to be gone' });
  assert.deepEqual(first.watch.drain(), { created: [], deleted: [], opened: false, overflow: false, gone: false });
});

test('one call until it is drained', async (t) => {
  const path = folder(t);
  let calls = 0;
  const watch = new addon.DirectoryWatch({ path, onReady: () => calls++ });
  t.after(() => watch.close());
  assert.equal(watch.open(), undefined);
  for (let i = 0; i < 100; i++) {
    mkdirSync(join(path, String(i)));
    if (i % 10 === 0) await sleep(1);
  }
  await waitFor(() => calls > 0, { what: 'the call' });
  await sleep(20); // Nothing can be waited for: it is what must not come.
  assert.equal(calls, 1);
  assert.equal(watch.drain().created.length, 100);
  mkdirSync(join(path, 'more'));
  await waitFor(() => calls === 2, { what: 'the next call' });
});

test('what cannot be watched is a failure with its operation', (t) => {
  const path = folder(t);
  const file = join(path, 'file');
  writeFileSync(file, '');
  const opened = (at: string) => new addon.DirectoryWatch({ path: at, onReady: () => {} }).open();
  assert.deepEqual(opened(join(path, 'missing')), { operation: 'inotify_add_watch', errno: ENOENT });
  assert.deepEqual(opened(file), { operation: 'inotify_add_watch', errno: ENOTDIR });
  assert.deepEqual(opened(''), { operation: 'inotify_add_watch', errno: ENOENT });
  if (process.getuid?.() !== 0) assert.deepEqual(opened('/root'), { operation: 'inotify_add_watch', errno: EACCES });
});

test('a failed open can be repeated, and the limit on instances is said', async (t) => {
  const path = folder(t);
  const nothingLeftOpen = watchFds();
  const limit = Number(readFileSync('/proc/sys/fs/inotify/max_user_instances', 'utf8'));
  const make = () => new addon.DirectoryWatch({ path, onReady: () => {} });
  const open: NativeDirectoryWatch[] = [];
  t.after(() => open.forEach((watch) => watch.close()));
  const failure = () => {
    if (open.length > Math.min(limit, 1_000)) return undefined;
    const watch = make();
    open.push(watch);
    return watch.open();
  };
  let refused = failure();
  while (refused === undefined && open.length <= limit && open.length < 1_000) refused = failure();
  if (refused === undefined) return t.skip('the limit is too high to be reached');
  assert.deepEqual(refused, { operation: 'inotify_init1', errno: EMFILE });
  const last = open.at(-1)!;
  open[0]!.close();
  assert.equal(last.open(), undefined);
  for (const watch of open) watch.close();
  await nothingLeftOpen();
});

test('close twice is close once, opened twice is opened once, and nothing is open afterwards', async (t) => {
  const path = folder(t);
  const nothingLeftOpen = watchFds();
  const watch = new addon.DirectoryWatch({ path, onReady: () => {} });
  assert.deepEqual(watch.drain(), { created: [], deleted: [], opened: false, overflow: false, gone: false });
  assert.equal(watch.open(), undefined);
  assert.equal(watch.open(), undefined);
  watch.close();
  watch.close();
  assert.deepEqual(watch.drain(), { created: [], deleted: [], opened: false, overflow: false, gone: false });
  assert.deepEqual(watch.open(), { operation: 'open', errno: EBADF });
  new addon.DirectoryWatch({ path, onReady: () => {} }).close();
  await nothingLeftOpen();
});

test('close while names come in, from the callback and from outside', async (t) => {
  const path = folder(t);
  for (let round = 0; round < 100; round++) {
    let calls = 0;
    const watch = new addon.DirectoryWatch({
      path,
      onReady: () => {
        calls++;
        watch.drain();
        watch.close();
      },
    });
    assert.equal(watch.open(), undefined);
    for (let i = 0; i < 10; i++) mkdirSync(join(path, `${round}-${i}`));
    if (round % 2 === 0) watch.close();
    else await waitFor(() => calls === 1, { what: 'the call' });
    mkdirSync(join(path, `${round}-after`));
    assert.ok(calls <= 1);
  }
});

test('wrong arguments are type errors', () => {
  const make = addon.DirectoryWatch as unknown as new (options: unknown) => unknown;
  assert.throws(() => new make(undefined), /options must be an object/);
  assert.throws(() => new make({ path: 1, onReady: () => {} }), /options.path must be a string/);
  assert.throws(() => new make({ path: '/' }), /options.onReady must be a function/);
});

const WORKER = new URL('children/directory-worker.js', import.meta.url);

test('two workers watch side by side, and their end closes everything', async (t) => {
  const path = folder(t);
  const nothingLeftOpen = watchFds();
  for (let round = 0; round < 10; round++) {
    const workers = [0, 1].map(() => new Worker(WORKER, { workerData: path }));
    const seen = workers.map(
      (worker) => new Promise<void>((resolve) => worker.on('message', (text) => text === 'seen' && resolve())),
    );
    await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
    for (let i = 0; i < 100; i++) mkdirSync(join(path, `${round}-${i}`));
    await Promise.all(seen);
    for (let i = 100; i < 200; i++) mkdirSync(join(path, `${round}-${i}`));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  await nothingLeftOpen();
});

test('opens of files that are named are told, wherever the file is; those of others in the directory are not', async (t) => {
  const path = folder(t);
  const elsewhere = join(folder(t), 'node');
  for (const file of [elsewhere, join(path, 'other')]) writeFileSync(file, '');
  let opened = 0;
  const files = [elsewhere, join(path, 'missing')];
  const watch = new addon.DirectoryWatch({ path, files, onReady: () => (opened += Number(watch.drain().opened)) });
  t.after(() => watch.close());
  assert.equal(watch.open(), undefined);
  readFileSync(join(path, 'other'));
  readFileSync(elsewhere);
  await waitFor(() => opened > 0, { what: 'the open' });
  rmSync(elsewhere);
  writeFileSync(join(path, 'more'), '');
  await waitFor(() => watch.drain().created.includes('more'), { what: 'a file made after a watched one has gone' });
  assert.equal(watch.drain().gone, false);
  assert.equal(opened, 1);
});
