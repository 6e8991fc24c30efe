// The whole node on a kernel without the watch queue: 300 clients of 20 pods, 1,000 errors to random clients that die at random and 200 engine
// resets and CAT errors among them; the trace names the victims, and each counts once, for the right pod.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { failQueue, GPU0, postVmError, waitFor } from '../guest-lib.js';
import { pods, podSeries, random, startPodApi, startPodClients, type Pod } from '../twenty-pods.js';

const ERRORS = 1000;
const DEATHS = 100;
const FAULTS = 200;
/** No more in flight than the ring of the trace holds. */
const IN_FLIGHT = 40;

const api = await startPodApi(after);
const exporter = await ExporterProcess.serve({
  args: [...api.args, '--events-stdout', '--event-rate-limit-per-minute=0'],
  env: api.env,
});
after(() => exporter.stop('SIGKILL'));

const clients = await startPodClients(after);
const DEVICE = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
const DEVICE_FAULTS = ['xe_engine_resets_total', 'xe_memory_cat_errors_total'];

interface Logged {
  readonly event_name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

const logged = (name: string): Logged[] =>
  exporter.stdout.map((line) => JSON.parse(line) as Logged).filter(({ event_name }) => event_name === name);

const faultsOf = (metrics: ReadonlyMap<string, number>, pod: string): number =>
  [...metrics].reduce(
    (sum, [key, value]) =>
      key.startsWith('xe_client_faults_total{') && key.includes(`k8s_pod_name="${pod}"`) ? sum + value : sum,
    0,
  );

test('the trace runs, and knows all 300', async () => {
  await waitFor(
    'the trace and every pod',
    async () => {
      const metrics = await exporter.metrics();
      return (
        metrics.get('xe_exporter_source_up{source="trace"}') === 1 &&
        metrics.get(`xe_clients{pci_bdf="${GPU0}"}`) === 300 &&
        pods.every((pod) => metrics.get(podSeries(pod)) === 0)
      );
    },
    60_000,
  );
});

test('1,000 errors of 300 clients that die at random: each once, for its pod', async () => {
  const pick = random(20_261_127);
  const deathAt = new Set(Array.from({ length: DEATHS }, () => pick(ERRORS)));
  const expected = new Map<Pod, number>(pods.map((pod) => [pod, 0]));
  for (let posted = 0; posted < ERRORS; posted++) {
    const alive = clients.filter(({ closed }) => !closed);
    const victim = alive[pick(alive.length)]!;
    const vm = await victim.process.createVm(victim.k);
    postVmError({ client: victim.id, vm });
    expected.set(victim.pod, expected.get(victim.pod)! + 1);
    if (deathAt.has(posted)) {
      victim.closed = true;
      assert.equal((await victim.process.send(`close ${victim.k}`)).ok, true);
    } else {
      await victim.process.send(`unvm ${victim.k} ${vm}`);
    }
    if (posted % IN_FLIGHT === IN_FLIGHT - 1)
      await waitFor('the count to catch up', async () => (await exporter.metric(DEVICE)) === posted + 1, 60_000);
  }
  const metrics = await waitFor(
    'every error to have its pod',
    async () => {
      const now = await exporter.metrics();
      const sum = pods.reduce((total, pod) => total + (now.get(podSeries(pod)) ?? 0), 0);
      return sum === ERRORS && now;
    },
    60_000,
  );
  for (const pod of pods) assert.equal(metrics.get(podSeries(pod)), expected.get(pod), pod.name);
  assert.equal(metrics.get(DEVICE), ERRORS);
  assert.equal(metrics.get('xe_exporter_events_lost_total{source="trace"}'), 0);
  // What is logged of an error can come after it was counted.
  const events = await waitFor('every error to be logged', () => {
    const all = logged('xe.vm.rebind_error');
    return all.length >= ERRORS && all;
  });
  assert.equal(events.length, ERRORS);
  for (const { attributes } of events) {
    assert.equal(attributes['xe.victim.evidence'] ?? 'kernel_trace', 'kernel_trace');
    assert.equal(attributes['xe.victim.inferred'], undefined);
  }
});

test('engine resets and CAT errors name a queue by number, and count for the pod of that queue', async () => {
  const pick = random(7);
  const alive = clients.filter(({ closed }) => !closed);
  const expected = new Map<Pod, number>(pods.map((pod) => [pod, 0]));
  for (let posted = 0; posted < FAULTS; posted++) {
    const victim = alive[pick(alive.length)]!;
    const vm = await victim.process.createVm(victim.k);
    const queue = await victim.process.createQueue(vm, victim.k);
    failQueue(posted % 2 === 0 ? 'engine_reset' : 'cat_error', victim.id, queue);
    expected.set(victim.pod, expected.get(victim.pod)! + 1);
    if (posted % IN_FLIGHT !== IN_FLIGHT - 1) continue;
    await waitFor(
      'the count to catch up',
      async () => {
        const now = await exporter.metrics();
        const sum = DEVICE_FAULTS.reduce((total, name) => total + (now.get(`${name}{pci_bdf="${GPU0}"}`) ?? 0), 0);
        return sum === posted + 1;
      },
      60_000,
    );
  }
  const metrics = await waitFor(
    'every fault to have its victim',
    async () => {
      const now = await exporter.metrics();
      const named = pods.reduce((total, { name }) => total + faultsOf(now, name), 0);
      return named + faultsOf(now, '_unattributed') === FAULTS && now;
    },
    60_000,
  );
  assert.equal(faultsOf(metrics, '_unattributed'), 0);
  for (const pod of pods) assert.equal(faultsOf(metrics, pod.name), expected.get(pod), pod.name);
  const events = await waitFor('every fault to be logged', () => {
    const all = [...logged('xe.engine.reset'), ...logged('xe.memory_cat_error')];
    return all.length >= FAULTS && all;
  });
  for (const { attributes } of events) assert.equal(attributes['xe.victim.evidence'], 'kernel_trace');
});
