// The test kernel carries Node and the helpers: what every other scenario takes for granted.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, watch } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  bindDriver,
  control,
  driverState,
  GPU0,
  GPU1,
  kernelLog,
  postVmError,
  RENDER0,
  RENDER1,
  setVram,
  startClient,
  unbindDriver,
  waitFor,
  wedge,
} from '../guest-lib.js';

test('a server on 127.0.0.1 is reached with fetch', async () => {
  const server = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal(await response.text(), 'hello');
  server.closeAllConnections();
  server.close();
});

test('worker threads run', async () => {
  const worker = new Worker("require('node:worker_threads').parentPort.postMessage(7)", { eval: true });
  const message = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  assert.equal(message, 7);
  await worker.terminate();
});

test('fs.watch works on a tmpfs', async () => {
  const watcher = watch('/tmp');
  const seen = new Promise<string | null>((resolve) => watcher.once('change', (_event, name) => resolve(String(name))));
  spawnSync('touch', ['/tmp/something']);
  assert.equal(await seen, 'something');
  watcher.close();
});

test("a client's own listener gets the event posted to it", async () => {
  const client = await startClient({ comm: 'ai-train' });
  assert.deepEqual(await client.send('watch 0 9 1'), { ok: true });
  postVmError({ client: client.id, vm: 3, errno: -28, count: 2 }, { client: client.id, subtype: 7, length: 24 });
  const record = { type: 2, subtype: 0, id: 9, length: 16, vm: 3, error: -28 };
  assert.deepEqual((await client.send('read')).records, [record, record]);
  assert.equal((await client.send('watch 0 10')).error, 'EBUSY');
  assert.equal(await client.exit(), 0);
});

test("the driver's state follows the clients", async () => {
  const client = await startClient({ files: [RENDER0, RENDER1, RENDER1] });
  setVram({ client: client.id }, 4096);
  const mine = driverState().clients.filter(({ owner }) => owner === client.pid);
  assert.deepEqual(
    mine.map(({ device, vram }) => [device, vram]),
    [
      [GPU0, 4096],
      [GPU1, 0],
      [GPU1, 0],
    ],
  );
  await client.kill();
  await waitFor('no client left', () => driverState().clients.length === 0);
});

test('clients run under other users, visible to root and hidden if undumpable', async () => {
  const client = await startClient({ uid: 1000, comm: 'user-1000' });
  assert.match(readFileSync(`/proc/${client.pid}/status`, 'utf8'), /^Name:\tuser-1000\n[^]*^Uid:\t1000\t1000/m);
  const links = readdirSync(`/proc/${client.pid}/fd`).map((fd) => readlinkSync(`/proc/${client.pid}/fd/${fd}`));
  assert.ok(links.includes(RENDER0), links.join(' '));
  const other = await startClient({ uid: 1001, undumpable: true });
  const list = spawnSync('ls', [`/proc/${other.pid}/fd`], { uid: 1001, gid: 1001, encoding: 'utf8' });
  assert.match(list.stderr, /Permission denied/);
  await Promise.all([client.exit(), other.exit()]);
});

test('300 clients start and each gets an event', async () => {
  const clients = await Promise.all(
    Array.from({ length: 30 }, () => startClient({ files: Array<string>(10).fill(RENDER0) })),
  );
  const ids = clients.flatMap(({ files }) => files.map(({ client }) => client));
  assert.equal(new Set(ids).size, 300);
  postVmError(...ids.map((client) => ({ client })));
  await Promise.all(clients.map((client) => client.exit()));
});

test('a wedged device works again after a new bind', async () => {
  wedge(GPU1);
  assert.equal(driverState().devices.find(({ id }) => id === GPU1)?.wedged, 1);
  unbindDriver(GPU1);
  assert.deepEqual(
    driverState().devices.map(({ id }) => id),
    [GPU0],
  );
  bindDriver(GPU1);
  const client = await startClient({ files: [RENDER1], uid: 1000 });
  assert.deepEqual(await client.send('version 0'), { ok: true });
  await client.exit();
});

test('the kernel log takes any line of the driver', () => {
  kernelLog(GPU0, 6, '[drm] Tile0: GT0: reset done');
  assert.match(spawnSync('dmesg', { encoding: 'utf8' }).stdout, /xe 0000:03:00\.0: \[drm\] Tile0: GT0: reset done\n/);
});

test('a command the stub does not know is refused', () => {
  assert.throws(() => control('nonsense'), { code: 'EINVAL' });
  assert.throws(() => postVmError({ client: 999_999 }), { code: 'ENOENT' });
});
