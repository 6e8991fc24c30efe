import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { test, type TestContext } from 'node:test';
import { EVENT } from '../../../exporter/events/index.js';
import { ATTRIBUTE, METRIC, UNATTRIBUTED_SERIES } from '../../../exporter/names.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { parseExposition } from '../../helpers/exposition.js';
import { SocketPeer } from '../../helpers/socket-peer.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));

interface Demo {
  readonly child: ChildProcess;
  out: string;
  err: string;
  /** Resolves with `exit code or signal`. */
  readonly exit: Promise<number | string>;
}

function demo(t: TestContext, ...flags: string[]): Demo {
  return demoWith(t, {}, ...flags);
}

function demoWith(t: TestContext, env: Readonly<Record<string, string>>, ...flags: string[]): Demo {
  const child = spawn(process.execPath, [MAIN, 'demo', ...flags], { env: { PATH: process.env['PATH'], ...env } });
  const running: Demo = {
    child,
    out: '',
    err: '',
    exit: once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string),
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (running.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (running.err += text));
  t.after(() => child.kill('SIGKILL'));
  return running;
}

const urlIn = (text: string) => /http:\/\/[^/"\s]+/.exec(text)?.[0];

async function scrape(url: string): Promise<Map<string, number>> {
  return parseExposition(await (await fetch(`${url}/metrics`)).text());
}

const errorsIn = (series: Map<string, number>) =>
  [...series].reduce((sum, [key, value]) => (key.startsWith(`${METRIC.clientVmRebindErrors}{`) ? sum + value : sum), 0);

test('the demo counts, is ready, adds up and leaves on SIGTERM within its deadline', async (t) => {
  const running = demo(t, '--listen-address=127.0.0.1:0', '--demo-rate=50', '--shutdown-timeout=3s');
  const url = await waitFor(() => urlIn(running.out), { what: 'the URL', deadlineMs: 20_000 });
  // A job that leaves and its successor are there side by side for a moment.
  const first = await waitFor(
    async () => {
      const now = await scrape(url);
      return now.get(`${METRIC.clients}{pci_bdf="0000:03:00.0"}`) === 3 && now;
    },
    { what: 'three jobs on the first GPU' },
  );
  const series = await waitFor(
    async () => {
      const now = await scrape(url);
      return errorsIn(now) >= errorsIn(first) + 20 && now;
    },
    { what: 'the counters to move', deadlineMs: 10_000 },
  );
  const received = series.get(`${METRIC.eventsReceived}{source="simulator",event="${EVENT.vmRebindError}"}`);
  assert.equal(errorsIn(series), received, 'every error has its pod');
  assert.equal(series.get(`${METRIC.sourceUp}{source="simulator"}`), 1);
  assert.ok(series.get(`${METRIC.readerQueuePeak}{source="simulator"}`)! > 0, 'its reader had records to hand over');
  for (const [key, value] of series) if (key.startsWith(METRIC.eventsDropped)) assert.equal(value, 0, key);
  for (const path of ['/readyz', '/healthz', '/events?format=json', '/']) {
    assert.equal((await fetch(`${url}${path}`)).status, 200, path);
  }
  assert.match(await (await fetch(url)).text(), /0000:03:00\.0/, 'the status page names the devices');
  assert.ok(running.out.split('\n')[2]!.endsWith(` ${url}/`), 'it opens with where to look');

  running.child.kill('SIGTERM');
  assert.equal(await inTime(running.exit, 'the demo'), 0);
  assert.equal(running.err, '');
});

/** Most series of a node with two GPUs and six pods, each of which ran out of memory once, with every option at its default. */
const MOST_SERIES = 160;

test('a node with two GPUs and six pods has few series', async (t) => {
  const running = demo(t, '--listen-address=127.0.0.1:0');
  const url = await waitFor(() => urlIn(running.out), { what: 'the URL', deadlineMs: 20_000 });
  // The demo publishes what clients hold, and its jobs fail in every way there is; a node does neither by default.
  const counted = (key: string) =>
    !key.startsWith('xe_client_memory_') && !/^xe_client_(?!.*errno="ENOMEM").*errno=|^xe_client_faults/.test(key);
  const series = await waitFor(
    async () => {
      const keys = [...(await scrape(url)).keys()];
      const isHit = (key: string) => key.startsWith(`${METRIC.clientVmRebindErrorLastTimestamp}{`);
      const pods = new Set(keys.filter(isHit).map((key) => /k8s_pod_name="([^"]*)"/.exec(key)?.[1]));
      pods.delete(UNATTRIBUTED_SERIES);
      return pods.size === 6 && keys.filter(counted);
    },
    { what: 'an error of each of the six pods', deadlineMs: 180_000 },
  );
  const families = countBy(series.map((key) => key.replace(/\{.*/s, '')));
  const largest = [...families].map(([name, count]) => `${count} ${name}`).sort((a, b) => parseInt(b) - parseInt(a));
  assert.ok(series.length <= MOST_SERIES, `${series.length} series:\n${largest.join('\n')}`);
  for (const name of [METRIC.deviceHealth, METRIC.deviceInfo]) assert.equal(families.get(name), 2, name);
});

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

test('the demo shows every outcome a job can have, and they add up to the out-of-memory errors', async (t) => {
  const running = demo(t, '--listen-address=127.0.0.1:0', '--demo-rate=50', '--outcome-window=1s');
  const url = await waitFor(() => urlIn(running.out), { what: 'the URL', deadlineMs: 20_000 });
  const sum = (series: Map<string, number>, part: string) =>
    [...series].reduce((total, [key, value]) => (key.includes(part) ? total + value : total), 0);
  const outcomes = (series: Map<string, number>, outcome: string) =>
    sum(series, `${METRIC.vmRebindOomOutcomes}{pci_bdf="0000:03:00.0",outcome="${outcome}`);
  const series = await waitFor(
    async () => {
      const now = await scrape(url);
      return ['exited', 'repeated', 'survived'].every((outcome) => outcomes(now, outcome) > 0) && now;
    },
    { what: 'every outcome', deadlineMs: 20_000 },
  );
  assert.equal(outcomes(series, 'unknown'), 0);
  const ooms = sum(series, `${METRIC.vmRebindErrors}{pci_bdf="0000:03:00.0",errno="EN`);
  const pending = ooms - outcomes(series, '');
  assert.ok(pending >= 0 && pending <= 3, `${pending} open for three clients`);
});

test("the job that follows its own events on the jobs' socket hears of its error and survives", async (t) => {
  const running = demo(t, '--listen-address=127.0.0.1:0', '--demo-rate=50', '--outcome-window=2s');
  const url = await waitFor(() => urlIn(running.out), { what: 'the URL', deadlineMs: 20_000 });
  const outcomes = await waitFor(
    async () => {
      const answer = await fetch(`${url}/events?format=json&pod=video-analytics`);
      const { events } = (await answer.json()) as { events: { attributes: Record<string, unknown> }[] };
      const found = events.map(({ attributes }) => attributes[ATTRIBUTE.eventOutcome]).filter(Boolean);
      return found.length > 0 && found;
    },
    { what: 'what became of it' },
  );
  assert.deepEqual([...new Set(outcomes)], ['survived']);
  assert.match(running.out, /Only team-vision\/video-analytics follows its own events/);
  assert.equal((await scrape(url)).get(METRIC.jobSubscribers), 1);
});

test('on a stock kernel the trace names the exact pod of every error, and leaves nothing behind', async (t) => {
  const { root } = new FixtureTree(t);
  const flags = ['--listen-address=127.0.0.1:0', '--demo-kernel=stock', '--demo-rate=20', '--outcome-window=1s'];
  const running = demoWith(t, { TMPDIR: root }, ...flags);
  const url = await waitFor(() => urlIn(running.out), { what: 'the URL', deadlineMs: 20_000 });
  assert.match(running.out, /no xe watch queue.*the driver's trace names each victim/);
  const podOf = (pod: string, series: Map<string, number>) =>
    [...series].filter(([key]) => key.startsWith(`${METRIC.clientVmRebindErrors}{`) && key.includes(`="${pod}"`));
  const PODS = ['llama-finetune-0', 'llama-finetune-1', 'segmentation-batch', 'video-analytics', 'md-simulation'];
  const series = await waitFor(
    async () => {
      const now = await scrape(url);
      const hit = (pod: string) => podOf(pod, now).some(([, value]) => value > 0);
      return PODS.every(hit) && errorsIn(now) >= 40 && now;
    },
    { what: 'errors of each pod', deadlineMs: 30_000 },
  );
  for (const [key, value] of podOf(UNATTRIBUTED_SERIES, series)) assert.equal(value, 0, key);
  assert.equal(series.get(`${METRIC.sourceUp}{source="trace"}`), 1);
  assert.equal(series.get(`${METRIC.sourceUp}{source="watch_queue"}`), 0);
  assert.equal(series.get(`${METRIC.clientsWatched}{pci_bdf="0000:03:00.0"}`), 0);

  const { events } = (await (await fetch(`${url}/events?format=json`)).json()) as {
    events: { event_name: string; body: string; attributes: Record<string, unknown> }[];
  };
  const errors = events.filter(({ event_name: name }) => name === EVENT.vmRebindError);
  assert.ok(errors.length >= 40, `${errors.length} of them logged`);
  for (const { attributes, body } of errors) {
    assert.equal(attributes[ATTRIBUTE.victimEvidence], 'kernel_trace');
    assert.match(body, /^Container \w+ of pod [\w/-]+ lost a GPU VM on 0000:0[34]:00\.0 \(E\w+\)/);
    assert.ok(!(ATTRIBUTE.victimInferred in attributes));
  }
  // A second scrape: what is counted for a GPU is counted for its pods, once the error and its victim have met.
  const errorsOfDevices = (now: Map<string, number>) =>
    [...now].reduce((sum, [key, value]) => (key.startsWith(`${METRIC.vmRebindErrors}{`) ? sum + value : sum), 0);
  await waitFor(
    async () => {
      const now = await scrape(url);
      return errorsIn(now) === errorsOfDevices(now);
    },
    { what: 'the two to agree' },
  );
  assert.equal(readdirSync(root).length, 2, "its made-up tracefs, and the folder of the jobs' socket");

  const socket = /--unix-socket (\S+)/.exec(running.out)?.[1] ?? '';
  const peer = new SocketPeer(t, socket, { headers: ['Last-Event-ID:0'] });
  await waitFor(() => peer.events.length > 0, { what: `an event of the job: ${peer.body}`, deadlineMs: 20_000 });
  for (const { data } of peer.events) {
    if (data['event_name'] !== EVENT.vmRebindError) continue;
    assert.equal((data['attributes'] as Record<string, unknown>)[ATTRIBUTE.k8sPod], 'llama-finetune-0');
  }
  const last = await new SocketPeer(t, socket, { path: '/last' }).answered();
  assert.match(last.body, /^\{"schema":1,"workload":\{.*"k8s\.pod\.name":"llama-finetune-0".*"reason":"\w+"/);

  running.child.kill('SIGTERM');
  assert.equal(await inTime(running.exit, 'the demo'), 0);
  assert.equal(running.err, '');
  assert.deepEqual(readdirSync(root), []);
});

test('a demo of a stock kernel that can make no folder for its trace says so and goes on', async (t) => {
  const running = demoWith(t, { TMPDIR: '/proc' }, '--listen-address=127.0.0.1:0', '--demo-kernel=stock');
  const url = await waitFor(() => urlIn(running.out), { what: 'the URL', deadlineMs: 20_000 });
  // Where shared memory can be written, it stands in.
  const up = (await scrape(url)).get(`${METRIC.sourceUp}{source="trace"}`);
  if (up === 0) assert.match(running.err, /cannot make a folder in \/proc or \/dev\/shm.*TMPDIR/);
  else assert.equal(up, 1);
});

test('a second one on the same port ends with code 1 and one line that names the fix', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const running = demo(t, `--listen-address=127.0.0.1:${port}`, '--log-format=text');
  assert.equal(await running.exit, 1);
  assert.equal(running.out, '');
  assert.match(running.err, /^xe-exporter: [^\n]*EADDRINUSE[^\n]*--listen-address[^\n]*\n$/);
});

test('with --events-stdout there are JSON lines on standard output and nothing else', async (t) => {
  const running = demo(t, '--listen-address=127.0.0.1:0', '--demo-rate=200', '--events-stdout');
  await waitFor(() => running.out.split('\n').length > 50, { what: 'fifty events', deadlineMs: 20_000 });
  running.child.kill('SIGINT');
  assert.equal(await running.exit, 0);
  assert.ok(running.out.endsWith('\n'));
  const expected: string[] = [EVENT.vmRebindError, EVENT.vmRebindOutcome];
  const seen = new Set<string>();
  for (const line of running.out.trimEnd().split('\n')) {
    const record = JSON.parse(line) as { event_name: string; attributes: Record<string, unknown> };
    assert.ok(expected.includes(record.event_name), record.event_name);
    seen.add(record.event_name);
    assert.match(String(record.attributes['k8s.pod.name']), /./);
  }
  assert.deepEqual([...seen].sort(), expected);
});

test('a flood does not keep it from answering and leaving', async (t) => {
  const running = demo(t, '--listen-address=127.0.0.1:0', '--demo-rate=100000', '--reader-queue-bytes=128KiB');
  const url = await waitFor(() => urlIn(running.out), { what: 'the URL', deadlineMs: 20_000 });
  const clients = (series: Map<string, number>) =>
    [...series].reduce((sum, [key, value]) => (key.startsWith(`${METRIC.clients}{`) ? sum + value : sum), 0);
  await waitFor(async () => errorsIn(await scrape(url)) > 10_000, { what: 'ten thousand errors', deadlineMs: 20_000 });
  assert.ok(clients(await scrape(url)) < 4096, 'lost removal notices do not fill the table');
  running.child.kill('SIGTERM');
  assert.equal(await running.exit, 0);
});
