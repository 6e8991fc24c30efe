// Clients as the DRM core of a 7.x kernel announces them in debugfs: watched at once, whatever they do, and without /proc.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EVENT } from '../../../exporter/events/index.js';
import { ATTRIBUTE } from '../../../exporter/names.js';
import { ExporterProcess, type ExporterProcessOptions } from '../../helpers/exporter-process.js';
import { driverState, GPU0, postVmError, RENDER0, RENDER1, startClient, waitFor } from '../guest-lib.js';

const BLOCKED_SECONDS = 1;
/** Blocks the JavaScript thread on SIGUSR2, and says when it does. */
const BLOCKER = `data:text/javascript,${encodeURIComponent(`
import { writeSync } from 'node:fs';
process.on('SIGUSR2', () => {
  writeSync(2, '{"blocked":true}\\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${BLOCKED_SECONDS * 1000});
});`)}`;
const ENOMEM = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
const WATCHED = `xe_clients_watched{pci_bdf="${GPU0}"}`;
const CLIENTS = `xe_clients{pci_bdf="${GPU0}"}`;

type Exporter = ExporterProcess;

/**
 * Only what debugfs says counts: /proc is never looked at, the next listing is an hour away, and nobody but discovery reads
 * fdinfo.
 */
function serveByAnnouncement(options: ExporterProcessOptions = {}): Promise<Exporter> {
  return ExporterProcess.serve({
    ...options,
    args: ['--discovery=debugfs', '--scan-interval=60m', '--memory-interval=off', '--events-stdout'],
  });
}

const watchesOf = (id: number): number | undefined => driverState().clients.find((client) => client.id === id)?.watches;

/** By /proc it can take two scans, 5 s apart. */
function watchedBy(exporter: Exporter, count: number, deadlineMs = 60_000): Promise<unknown> {
  return waitFor(
    `${count} clients, all watched`,
    async () => {
      const metrics = await exporter.metrics();
      return metrics.get(CLIENTS) === count && metrics.get(WATCHED) === count;
    },
    deadlineMs,
  );
}

/** Milliseconds until the driver has a watch on it, by the monotonic clock, asked every millisecond. */
async function untilWatched(id: number, since: number): Promise<number> {
  const end = since + 60_000;
  while (watchesOf(id) !== 1) {
    assert.ok(performance.now() < end, `client ${id} is not watched after a minute`);
    await sleep(1);
  }
  return performance.now() - since;
}

function stateOf(exporter: Exporter, expected: string, from = 0): Promise<Readonly<Record<string, unknown>>> {
  return waitFor(`discovery_debugfs ${expected}`, () =>
    exporter.log.slice(from).find(({ feature, state }) => feature === 'discovery_debugfs' && state === expected),
  );
}

function rssKiB(exporter: Exporter): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${exporter.child.pid}/status`, 'utf8'))?.[1]);
}

const before = await startClient();
const exporter = await serveByAnnouncement({ execArgv: ['--import', BLOCKER] });
after(() => exporter.stop('SIGKILL'));

test('the feature is active, and who was there before is found', async () => {
  await stateOf(exporter, 'active');
  await watchedBy(exporter, 1);
  await before.exit();
  await watchedBy(exporter, 0);
});

test('a client is watched right after it was opened', async (t) => {
  const client = await startClient({ files: [] });
  const latencies: number[] = [];
  for (let i = 0; i < 40; i++) {
    const since = performance.now();
    const { client: id, k } = await client.send(`open ${RENDER0}`);
    latencies.push(await untilWatched(id!, since));
    await client.send(`close ${k}`);
    await waitFor('the client to be gone', () => driverState().clients.every((other) => other.id !== id));
  }
  latencies.sort((a, b) => a - b);
  const [median, worst] = [latencies[20]!, latencies.at(-1)!];
  // procfs is looked at once an hour here, so announcements did it.
  t.diagnostic(`open to watch: median ${median.toFixed(1)} ms, worst of 40 ${worst.toFixed(1)} ms`);
  await client.exit();
});

test('300 at once', async (t) => {
  const since = performance.now();
  const clients = await Promise.all(
    Array.from({ length: 30 }, () => startClient({ files: Array<string>(10).fill(RENDER0), uid: 1000 })),
  );
  const opened = performance.now();
  await waitFor(
    'a watch on each',
    () => {
      const all = driverState().clients;
      return all.length === 300 && all.every(({ watches }) => watches === 1);
    },
    60_000,
  );
  t.diagnostic(
    `opened in ${Math.round(opened - since)} ms, all watched ${Math.round(performance.now() - opened)} ms later`,
  );
  await watchedBy(exporter, 300);
  const ids = clients.flatMap(({ files }) => files.map(({ client }) => client));
  const counted = (await exporter.metric(ENOMEM))!;
  for (const id of ids) postVmError({ client: id });
  await waitFor('300 events', async () => (await exporter.metric(ENOMEM)) === counted + 300);
  await Promise.all(clients.map((client) => client.exit()));
  await watchedBy(exporter, 0);
});

test('each client is asked once who it is', () => {
  const reads = driverState().devices.reduce((sum, { fdinfo_reads }) => sum + fdinfo_reads, 0);
  // The clients read their own as well; 341 were opened until now, ours and those of the probe aside.
  assert.ok(reads <= 2 * 341 + 10, `${reads} reads of fdinfo`);
});

test('1,000 clients that live 5 to 50 ms leave the table empty and memory flat', async (t) => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => startClient({ files: [] })));
  const churn = async (count: number): Promise<void> => {
    const answers = await Promise.all(clients.map((client) => client.send(`churn ${RENDER0} ${count} 5 50`)));
    assert.ok(answers.every(({ ok }) => ok));
    await watchedBy(exporter, 0);
  };
  await churn(50);
  const warm = rssKiB(exporter);
  await churn(50);
  const grown = rssKiB(exporter) - warm;
  t.diagnostic(`the second 1,000: RSS ${warm} KiB and ${grown} KiB more`);
  assert.ok(grown < 16 * 1024, `${grown} KiB more after the second 1,000`);
  await Promise.all(clients.map((client) => client.exit()));
});

test('a file passed on is one client; it lives where it was passed to', async () => {
  const [sender, receiver] = await Promise.all([startClient(), startClient({ files: [] })]);
  await watchedBy(exporter, 1);
  const receiving = receiver.send('receive /tmp/passed.sock');
  await waitFor('the file to be passed', async () => (await sender.send('pass 0 /tmp/passed.sock')).ok);
  assert.equal((await receiving).client, sender.id);
  await sender.kill();
  const counted = (await exporter.metric(ENOMEM))!;
  postVmError({ client: sender.id });
  await waitFor('its event', async () => (await exporter.metric(ENOMEM)) === counted + 1);
  assert.equal(await exporter.metric(CLIENTS), 1);
  await receiver.exit();
  await watchedBy(exporter, 0);
});

test('a forked file is one client, and lives on in the child', async () => {
  const client = await startClient();
  const { pid } = await client.send('fork');
  await watchedBy(exporter, 1);
  await client.send('close 0');
  const counted = (await exporter.metric(ENOMEM))!;
  postVmError({ client: client.id, count: 2 });
  await waitFor('both events', async () => (await exporter.metric(ENOMEM)) === counted + 2);
  assert.ok((await client.send(`kill ${pid}`)).ok);
  await watchedBy(exporter, 0);
  await client.exit();
});

test('kill -9 while a client is attached to leaves nothing behind', async () => {
  for (let round = 0; round < 30; round++) {
    const client = await startClient({ files: Array<string>(8).fill(RENDER0) });
    await sleep(round % 10);
    await client.kill();
  }
  await waitFor('the driver to free the clients', () => driverState().clients.length === 0);
  await watchedBy(exporter, 0);
  const client = await startClient();
  await watchedBy(exporter, 1);
  await client.exit();
  await watchedBy(exporter, 0);
});

// CONFIG_CHECKPOINT_RESTORE would give ns_last_pid; a low pid_max does the same on any kernel: numbers soon come round.
test('a pid that is used again is another process', async (t) => {
  const limit = '/proc/sys/kernel/pid_max';
  const usual = readFileSync(limit, 'utf8');
  t.after(() => writeFileSync(limit, usual));
  writeFileSync(limit, '1000');
  const pid = 600; // Those below 300 are given once.
  const parent = await startClient({ files: [] });
  t.after(() => parent.exit());
  const ids: number[] = [];
  for (let life = 0; life < 2; life++) {
    assert.equal((await parent.send(`reborn ${pid} ${RENDER0}`)).pid, pid);
    await watchedBy(exporter, 1);
    const [client] = driverState().clients;
    ids.push(client!.id);
    postVmError({ client: client!.id });
    await parent.send(`kill ${pid}`);
    await watchedBy(exporter, 0);
  }
  interface LogEvent {
    readonly event_name: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  }
  const attributes = await waitFor('both log events', () => {
    const all = exporter.stdout.map((line) => JSON.parse(line) as LogEvent);
    const errors = all.filter((event) => event.event_name === EVENT.vmRebindError);
    const ofPid = errors.map((event) => event.attributes).filter((event) => event[ATTRIBUTE.pid] === pid);
    return ofPid.length === 2 && ofPid;
  });
  assert.deepEqual(
    attributes.map((event) => event[ATTRIBUTE.drmClientId]),
    ids,
  );
  assert.notEqual(attributes[0]![ATTRIBUTE.processCreationTime], attributes[1]![ATTRIBUTE.processCreationTime]);
});

test('sleeping devices are not woken, and nothing but the watch ioctl was sent', async (t) => {
  const clients = await Promise.all([startClient(), startClient({ files: [RENDER1] })]);
  await watchedBy(exporter, 1);
  const reads = (): number => driverState().devices.reduce((sum, { fdinfo_reads }) => sum + fdinfo_reads, 0);
  const wakes = (): number => driverState().devices.reduce((sum, state) => sum + state.wakes, 0);
  const usual = await ExporterProcess.serve();
  await watchedBy(usual, 1);
  await sleep(1_500); // Longer than the second after which they fall asleep.
  const [readsBefore, wakesBefore] = [reads(), wakes()];
  await sleep(3_000); // A dozen intervals of the second exporter: what must not come cannot be waited for.
  assert.deepEqual([reads(), wakes()], [readsBefore, wakesBefore]);
  t.diagnostic(`${wakesBefore} wakes in all, none in three seconds of watching idle clients`);
  assert.ok(driverState().devices.every(({ foreign_ioctls }) => foreign_ioctls === 0));
  assert.equal(await usual.stop(), 0);
  await Promise.all(clients.map((client) => client.exit()));
});

test('SIGTERM ends it', async () => {
  assert.equal(await exporter.stop(), 0);
});

test('more than the kernel keeps while JavaScript is busy: the list says who is there', async (t) => {
  const limit = '/proc/sys/fs/inotify/max_queued_events';
  const usual = readFileSync(limit, 'utf8');
  t.after(() => writeFileSync(limit, usual));
  writeFileSync(limit, '16'); // Taken at the time the watch is made.
  const small = await serveByAnnouncement({ execArgv: ['--import', BLOCKER] });
  await stateOf(small, 'active');
  small.child.kill('SIGUSR2');
  await waitFor('JavaScript to be blocked', () => small.log.some(({ blocked }) => blocked === true));
  const clients = await Promise.all([startClient({ files: Array<string>(100).fill(RENDER0) }), startClient()]);
  await watchedBy(small, 101);
  await Promise.all(clients.map((client) => client.exit()));
  await watchedBy(small, 0);
  assert.equal(await small.stop(), 0);
});

test('a file passed on as soon as it is open is found, by /proc at the latest', async () => {
  const other = await ExporterProcess.serve();
  await stateOf(other, 'active');
  const [sender, receiver] = await Promise.all([startClient({ files: [] }), startClient({ files: [] })]);
  const receiving = receiver.send('receive /tmp/fast.sock');
  await waitFor('the socket', () => spawnSync('test', ['-S', '/tmp/fast.sock']).status === 0);
  const opened = sender.send(`open ${RENDER0}`);
  const passed = sender.send('pass 0 /tmp/fast.sock');
  const closed = sender.send('close 0');
  assert.ok((await opened).ok && (await passed).ok && (await closed).ok);
  await receiving;
  await watchedBy(other, 1);
  await Promise.all([sender.exit(), receiver.exit()]);
  await watchedBy(other, 0);
  assert.equal(await other.stop(), 0);
});

test('debugfs that is unmounted is missed and replaced by /proc, and taken up again', async () => {
  mkdirSync('/tmp/debug');
  const mount = (...args: string[]): void => assert.equal(spawnSync('/bin/busybox', args).status, 0, args.join(' '));
  mount('mount', '-t', 'debugfs', '-o', 'ro', 'debugfs', '/tmp/debug');
  const usual = await ExporterProcess.serve({ args: ['--path-debugfs=/tmp/debug'] });
  await stateOf(usual, 'active');
  mount('umount', '/tmp/debug');
  const denied = await stateOf(usual, 'denied');
  assert.match(String(denied['reason']), /\/tmp\/debug\/dri is gone/);
  assert.match(String(denied['fix']), /Mount/);
  const client = await startClient();
  await watchedBy(usual, 1);
  mount('mount', '-t', 'debugfs', '-o', 'ro', 'debugfs', '/tmp/debug');
  await stateOf(usual, 'active', usual.log.indexOf(denied) + 1);
  await client.exit();
  await watchedBy(usual, 0);
  assert.equal(await usual.stop(), 0);
});
