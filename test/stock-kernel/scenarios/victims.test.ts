// The exporter reads the driver's trace: whose VM died, exactly, on a kernel without the watch queue.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startClient, startClientIn, waitFor } from '../../kernel/guest-lib.js';
import { pods, podSeries, startPodApi } from '../../kernel/twenty-pods.js';
import { control, createVm, GPU, killVm, startGpu } from '../guest-lib.js';
import { exactly, TraceExporter, victimOf } from '../trace-exporter.js';

startGpu();

const older = await startClient({ comm: 'ollama' });
after(() => older.kill());
const olderVm = await createVm(older);
const exporter = await TraceExporter.start();
after(() => exporter.stop('SIGKILL'));

test('it says how victims are named', async () => {
  const ready = await fetch(`${exporter.process.url}/readyz`);
  assert.match(await ready.text(), /events come from trace, kmsg, uevent/);
  assert.equal(await exporter.metric('xe_exporter_feature_info', 'feature="trace",state="active"'), 1);
});

test('a VM that is older than the exporter: exact, counted once, within seconds', async () => {
  await exporter.knows(1);
  killVm(olderVm);
  await exporter.until('the error', async () => (await exporter.rebindErrors()) === 1);
  const event = await exporter.event(1);
  assert.deepEqual(victimOf(event), exactly(older));
  assert.equal(event.attributes['xe.victim.inferred'], undefined);
  assert.equal(event.attributes['error.type'], 'ENOMEM', 'of the kernel log');
  assert.doesNotMatch(event.body, /[Pp]robably/);
});

test('of two clients the right one', async (t) => {
  const other = await startClientIn(t, { comm: 'ai-train' });
  await exporter.knows(2);
  killVm(await createVm(other), -28);
  assert.deepEqual(victimOf(await exporter.event(2)), exactly(other));
  assert.equal(await exporter.rebindErrors('ENOSPC'), 1);
});

test('a VM whose process is dead by then, its file held by another one', async (t) => {
  const opener = await startClientIn(t, { comm: 'launcher' });
  const holder = await startClientIn(t, { files: [], comm: 'worker' });
  await exporter.knows(2);
  const received = holder.send('receive /tmp/pass');
  await waitFor('the file to be passed', async () => (await opener.send('pass 0 /tmp/pass')).ok);
  await received;
  const vm = await createVm(opener);
  await opener.kill();
  killVm(vm, -62);
  const { attributes } = await exporter.event(3);
  assert.equal(attributes['xe.victim.evidence'], 'kernel_trace');
  assert.equal(attributes['xe.drm.client_id'], opener.id);
  assert.equal(await exporter.rebindErrors('ETIME'), 1);
});

test('200 kills in a burst: each counted once, for its client', async (t) => {
  const clients = await Promise.all(['a', 'b'].map((comm) => startClientIn(t, { comm })));
  await exporter.knows(3);
  const before = await exporter.rebindErrors();
  const vms = Array.from({ length: 200 }, (_, i) => 1000 + i);
  control(...vms.map((vm) => `create ${vm} ${clients[vm % 2]!.id}`));
  control(...vms.map((vm) => `kill ${vm} -12`));
  await exporter.until('all of them', async () => (await exporter.rebindErrors()) === before + 200);
  const burst = await exporter.until('their events', () => {
    const events = exporter.events().slice(3);
    return events.length >= 200 && events;
  });
  assert.equal(burst.length, 200);
  assert.equal(await exporter.lost(), 0);
  for (const [i, event] of burst.entries()) assert.deepEqual(victimOf(event), exactly(clients[i % 2]!), `kill ${i}`);
  control(...vms.map((vm) => `free ${vm}`));
});

test('a VM that dies of something else than a rebind is another event', async (t) => {
  const client = await startClientIn(t, { comm: 'svm' });
  await exporter.knows(2);
  const before = await exporter.rebindErrors();
  killVm(await createVm(client), 0);
  const event = await exporter.event(1, 'xe.vm.killed');
  assert.deepEqual(victimOf(event), exactly(client));
  assert.equal(await exporter.rebindErrors(), before);
});

test('a ring that runs over is counted, and what comes next is exact again', async (t) => {
  const client = await startClientIn(t, { comm: 'many' });
  await exporter.knows(2);
  exporter.process.child.kill('SIGSTOP');
  for (let i = 0; i < 6; i++) {
    const vms = Array.from({ length: 500 }, (_, n) => 2000 + n);
    control(...vms.map((vm) => `create ${vm} ${client.id}`));
    control(...vms.map((vm) => `free ${vm}`));
  }
  exporter.process.child.kill('SIGCONT');
  await exporter.until('the loss', async () => (await exporter.lost()) > 0);
  await exporter.names(client);
});

// It looks at /proc when it starts and not again: the VM is what tells it of the client.
test('a pod that comes later is known with its first VM, and has its error, exact, on /metrics', async (t) => {
  const api = await startPodApi((end) => t.after(end));
  const args = [...api.args, '--discovery=proc', '--scan-interval=60m'];
  const late = await TraceExporter.start({ args, env: api.env });
  t.after(() => late.stop('SIGKILL'));
  const pod = pods[0]!;
  const client = await startClientIn(t, { comm: 'train', cgroup: pod.cgroup });
  const vm = await createVm(client);
  const errors = () => late.process.metric(podSeries(pod, GPU));
  await late.until('the pod', async () => (await errors()) === 0);
  killVm(vm);
  await late.until('its error', async () => (await errors()) === 1);
  const event = await late.event(1);
  assert.equal(event.attributes['k8s.pod.name'], pod.name);
  assert.equal(event.attributes['xe.victim.inferred'], undefined);
  assert.equal(await late.rebindErrors(), 1);
});
