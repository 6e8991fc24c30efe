// What goes wrong on a busy node: limits, swallowed removals, a driver that leaves, an exporter that is killed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExporterProcess, type ExporterProcessOptions } from '../../helpers/exporter-process.js';
import {
  bindDriver,
  driverState,
  GPU0,
  GPU1,
  postVmError,
  RENDER0,
  RENDER1,
  startClientIn,
  unbindDriver,
  waitFor,
} from '../guest-lib.js';

async function serve(t: TestContext, options: ExporterProcessOptions = {}): Promise<ExporterProcess> {
  const exporter = await ExporterProcess.serve(options);
  t.after(() => exporter.stop('SIGKILL'));
  return exporter;
}

const watched = (exporter: ExporterProcess, count: number, bdf = GPU0): Promise<unknown> =>
  waitFor(
    `${count} watched on ${bdf}`,
    async () => (await exporter.metric(`xe_clients_watched{pci_bdf="${bdf}"}`)) === count,
  );

const ENOMEM = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
const LIMIT = 'xe_client_attach_failures_total{reason="limit"}';

test('the limit on watches is hit, counted, and recovered from', async (t) => {
  const limit = 64;
  const exporter = await serve(t);
  // Now, because starting takes more open files than that.
  execFileSync('prlimit', [`--pid=${exporter.child.pid}`, `--nofile=${limit}:${limit}`]);
  const many = await startClientIn(t, { files: Array<string>(limit + 20).fill(RENDER0) });
  await watched(exporter, limit);
  await waitFor('the others to be refused', async () => ((await exporter.metric(LIMIT)) ?? 0) >= 20);
  assert.equal(await exporter.metric(`xe_clients{pci_bdf="${GPU0}"}`), limit + 20);
  for (let k = 0; k < 40; k++) await many.send(`close ${k}`);
  await watched(exporter, limit + 20 - 40);
  await many.exit();
  await watched(exporter, 0);
});

test('removals swallowed by a full ring: the clients are found gone, and their ids do not speak for them again', async (t) => {
  const exporter = await serve(t, { args: ['--events-stdout', '--event-rate-limit-per-minute=0'] });
  const loud = await startClientIn(t);
  const doomed = await startClientIn(t, { files: Array<string>(20).fill(RENDER0) });
  await watched(exporter, 21);
  exporter.child.kill('SIGSTOP');
  postVmError({ client: loud.id, count: 600 });
  await doomed.kill();
  exporter.child.kill('SIGCONT');
  await watched(exporter, 1);
  const metrics = await exporter.metrics();
  assert.ok((metrics.get('xe_exporter_events_lost_total{source="watch_queue"}') ?? 0) >= 1);
  assert.equal(metrics.get(ENOMEM), 512);
  const heirs = await startClientIn(t, { files: Array<string>(250).fill(RENDER0) });
  await watched(exporter, 251);
  const before = exporter.stdout.length;
  for (const { client } of heirs.files) postVmError({ client, vm: 9 });
  const events = await waitFor('250 log events', () => {
    const lines = exporter.stdout.slice(before).filter((line) => line.includes('"xe.vm.rebind_error"'));
    return (
      lines.length >= 250 &&
      lines.map((line) => (JSON.parse(line) as { attributes: Record<string, unknown> }).attributes)
    );
  });
  assert.deepEqual(
    events.map((attributes) => attributes['xe.drm.client_id']).sort(),
    heirs.files.map(({ client }) => client).sort(),
  );
  assert.ok(events.every((attributes) => attributes['process.pid'] === heirs.pid));
  await Promise.all([loud.exit(), heirs.exit()]);
});

test('a driver that is unbound finds nothing of ours in its way, and is watched again after the next bind', async (t) => {
  const exporter = await serve(t);
  const series = `xe_vm_rebind_errors_total{pci_bdf="${GPU1}",errno="ENOMEM"}`;
  const client = await startClientIn(t, { files: [RENDER1] });
  await watched(exporter, 1, GPU1);
  postVmError({ client: client.id });
  await waitFor('the first event', async () => (await exporter.metric(series)) === 1);
  unbindDriver(GPU1);
  const gone = performance.now();
  await waitFor(
    'the device to leave /metrics',
    async () => (await exporter.metric(`xe_clients{pci_bdf="${GPU1}"}`)) === undefined,
  );
  assert.ok(performance.now() - gone < 5000);
  assert.equal(await exporter.metric(series), 1, 'a counter stays');
  await client.exit();
  bindDriver(GPU1);
  const next = await startClientIn(t, { files: [RENDER1] });
  await watched(exporter, 1, GPU1);
  postVmError({ client: next.id });
  await waitFor('the second event', async () => (await exporter.metric(series)) === 2);
  await next.exit();
});

test('unbound and bound again between two looks is seen as a new device', async (t) => {
  const exporter = await serve(t);
  const client = await startClientIn(t, { files: [RENDER1] });
  await watched(exporter, 1, GPU1);
  await client.exit();
  await watched(exporter, 0, GPU1);
  unbindDriver(GPU1);
  bindDriver(GPU1);
  const next = await startClientIn(t, { files: [RENDER1] });
  await watched(exporter, 1, GPU1);
  await next.exit();
});

test('killed and started again under load, it watches everybody again', async (t) => {
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => startClientIn(t, { files: Array<string>(10).fill(RENDER0) })),
  );
  const ids = clients.flatMap(({ files }) => files.map(({ client }) => client));
  const first = await serve(t);
  await watched(first, 50);
  // Not more often: see waitFor.
  let loading = true;
  const load = async (): Promise<void> => {
    while (loading) {
      postVmError(...ids.map((client) => ({ client, errno: -28 })));
      await sleep(250);
    }
  };
  const loaded = load();
  t.after(() => (loading = false));
  await first.stop('SIGKILL');
  await waitFor('the kernel to drop its watches', () => driverState().clients.every(({ watches }) => watches === 0));
  const second = await serve(t);
  await watched(second, 50);
  loading = false;
  await loaded;
  const before = (await second.metric(ENOMEM)) ?? NaN;
  postVmError(...ids.map((client) => ({ client })));
  await waitFor('one event of each', async () => (await second.metric(ENOMEM)) === before + 50);
  await Promise.all(clients.map((client) => client.exit()));
});
