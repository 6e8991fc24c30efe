import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClientIntake } from '../../../exporter/clients/client-intake.js';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { ProcessSearch } from '../../../exporter/clients/discovery/process-search.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import type { DrmFd } from '../../../exporter/native/binding.js';
import { loadNative } from '../../../exporter/native/load.js';
import { aDevice } from '../../helpers/events.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { waitFor } from '../../helpers/wait-for.js';

/** Drm files by process, as a look at these processes finds them; what they say of themselves is in a made-up /proc. */
function start(t: TestContext) {
  const proc = new FixtureTree(t);
  proc.file('stat', 'btime 1769860800\n');
  const clients = new ClientTable(100);
  const devices = new DeviceTable(() => [aDevice()]);
  devices.refresh();
  const files = new Map<number, DrmFd>();
  const looks: number[][] = [];
  const intake = new ClientIntake({ native: loadNative(), procRoot: proc.root, devices, clients });
  const findDrmFds = (_root: string, pids: Uint32Array) => {
    looks.push([...pids]);
    const fds = [...pids].flatMap((pid) => files.get(pid) ?? []);
    return Promise.resolve({ fds, gpuFree: new Float64Array(), processes: pids.length, skipped: 0, denied: 0 });
  };
  const search = new ProcessSearch({ native: { findDrmFds }, procRoot: proc.root, devices, intake });
  for (const listener of [intake.clientListener, search.clientListener]) clients.subscribe(listener);
  t.after(() => {
    intake.stop();
    return search.stop();
  });
  const open = (pid: number, drmClientId: number) => {
    files.set(pid, { pid, fd: 3, minor: 128, startTime: BigInt(pid), comm: `job${pid}` });
    proc.file(`${pid}/stat`, `${pid} (job${pid}) S 1 ${'0 '.repeat(17)}${pid} 0`);
    proc.drmFdinfo(pid, 3, drmClientId);
  };
  return { clients, search, intake, looks, open };
}

test('the clients of a process are found at once, and those that come a little later', async (t) => {
  const { clients, search, looks, open } = start(t);
  open(203, 7);
  search.seek(203);
  search.seek(203);
  search.seek(204);
  await waitFor(() => clients.get(7), { what: 'the client' });
  assert.equal(clients.get(7)?.client.process.pid, 203);
  open(204, 8);
  await waitFor(() => clients.get(8), { what: 'the other client' });
  const before = looks.length;
  search.seek(203);
  search.seek(204);
  assert.equal(looks.length, before, 'nobody is sought who is known');
});

test('a process without a client is given up', async (t) => {
  const { search, looks } = start(t);
  search.seek(1);
  await waitFor(() => looks.length === 3, { what: 'three looks' });
  search.seek(2);
  await waitFor(() => looks.length === 4, { what: 'the next search' });
  assert.deepEqual(looks[3], [2]);
});

test('nothing is looked for after the stop', async (t) => {
  const { search, intake, looks } = start(t);
  search.seek(1);
  intake.stop();
  await search.stop();
  search.seek(2);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(looks.length <= 1);
});
