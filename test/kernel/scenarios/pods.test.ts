// The whole node: 300 clients of 20 pods, 1,000 errors to random clients that die at random; every one is counted once, for the
// right pod, with the right outcome, and the totals add up.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startCollector } from '../../helpers/collector.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { GPU0, postVmError, waitFor } from '../guest-lib.js';
import { pods, podSeries, random, startPodApi, startPodClients } from '../twenty-pods.js';

const ERRORS = 1000;
const DEATHS = 100;

const api = await startPodApi(after);
const starting = performance.now();
const clients = await startPodClients(after);
/** All errors have to fall within it: they take less time than the clients took to start, on a slow machine, too. */
const WINDOW_SECONDS = Math.max(30, Math.ceil((4 * (performance.now() - starting)) / 1000));
const collector = await startCollector();
const exporter = await ExporterProcess.serve({
  args: [
    ...api.args,
    `--outcome-window=${WINDOW_SECONDS}s`,
    '--event-rate-limit-per-minute=0',
    `--otlp-endpoint=${collector.url}`,
  ],
  env: api.env,
});
after(async () => {
  await exporter.stop('SIGKILL');
  await collector.stop();
});

const DEVICE = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;

test('1,000 errors of 300 clients in 20 pods add up', async () => {
  assert.equal(clients.length, 300);
  await waitFor(
    'all 300 to be watched and every pod to have its series at 0',
    async () => {
      const metrics = await exporter.metrics();
      return (
        metrics.get(`xe_clients_watched{pci_bdf="${GPU0}"}`) === 300 &&
        pods.every((pod) => metrics.get(podSeries(pod)) === 0)
      );
    },
    60_000,
  );

  const pick = random(20_260_301);
  const deathAt = new Set(Array.from({ length: DEATHS }, () => pick(ERRORS)));
  const begun = performance.now();
  for (let posted = 0; posted < ERRORS; posted++) {
    const alive = clients.filter(({ closed }) => !closed);
    const victim = alive[pick(alive.length)]!;
    postVmError({ client: victim.id, vm: (victim.errors += 1) });
    if (deathAt.has(posted)) {
      victim.closed = true;
      assert.equal((await victim.process.send(`close ${victim.k}`)).ok, true);
    }
    // No more in flight than a ring holds: a loss would be honest, but then nothing adds up exactly.
    if (posted % 200 === 199)
      await waitFor('the count to catch up', async () => (await exporter.metric(DEVICE)) === posted + 1);
  }
  const seconds = (performance.now() - begun) / 1000;
  assert.ok(seconds < WINDOW_SECONDS, `the errors took ${seconds.toFixed(1)} s, longer than an outcome window`);

  const metrics = await exporter.metrics();
  assert.equal(metrics.get(DEVICE), ERRORS);
  for (const pod of pods) {
    const expected = clients.filter((client) => client.pod === pod).reduce((sum, { errors }) => sum + errors, 0);
    assert.equal(metrics.get(podSeries(pod)), expected, pod.name);
  }

  const hit = clients.filter(({ errors }) => errors > 0);
  const expected = {
    repeated: hit.reduce((sum, { errors }) => sum + errors - 1, 0),
    exited: hit.filter(({ closed }) => closed).length,
    survived: hit.filter(({ closed }) => !closed).length,
    unknown: 0,
  };
  assert.equal(expected.repeated + expected.exited + expected.survived, ERRORS);
  const outcomes = await waitFor(
    'every outcome',
    async () => {
      const now = await exporter.metrics();
      const found = Object.keys(expected).map((outcome): [string, number] => [
        outcome,
        now.get(`xe_vm_rebind_oom_outcomes_total{pci_bdf="${GPU0}",outcome="${outcome}"}`) ?? NaN,
      ]);
      return found.reduce((sum, [, count]) => sum + count, 0) === ERRORS && Object.fromEntries(found);
    },
    WINDOW_SECONDS * 2000,
  );
  assert.deepEqual(outcomes, expected);
  assert.equal(metrics.get('xe_exporter_events_lost_total{source="watch_queue"}'), 0);
  assert.equal(metrics.get('xe_exporter_events_unattributed_total{reason="no_container"}'), 0);
});

test('each log event names the pod, and its outcome has the same id', async () => {
  const records = await waitFor('all log records', () => {
    const all = collector.requests.flatMap((request) => request.records);
    return all.length >= 2 * ERRORS && all;
  });
  const errors = records.filter(({ eventName }) => eventName === 'xe.vm.rebind_error');
  const outcomes = records.filter(({ eventName }) => eventName === 'xe.vm.rebind_error.outcome');
  assert.deepEqual([errors.length, outcomes.length], [ERRORS, ERRORS]);
  const podOf = new Map(errors.map(({ attributes }) => [attributes['xe.event.id'], attributes['k8s.pod.uid']]));
  assert.equal(podOf.size, ERRORS);
  for (const { attributes } of outcomes) assert.equal(podOf.get(attributes['xe.event.id']), attributes['k8s.pod.uid']);
  assert.ok([...podOf.values()].every((uid) => pods.some((pod) => pod.uid === uid)));
});
