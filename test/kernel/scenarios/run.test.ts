// xe-exporter run as an ordinary user, on a kernel with the watch queue: it hears of its own job's errors and of nobody else's.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { driverState, postVmError, RENDER0, startClientIn, waitFor } from '../guest-lib.js';
import { CLIENT, RunningJob, USER, watchesOf } from '../running-job.js';

copyFileSync(process.env['XE_TEST_CLIENT'] ?? 'client', CLIENT);
chmodSync(CLIENT, 0o755);
const job = `echo "scale $XE_EXPORTER_RUN_SCALE attempt $XE_EXPORTER_RUN_ATTEMPT"; exec ${CLIENT} ${RENDER0}`;

test('restart: a job that loses a VM to ENOMEM runs again with half the scale, and its success is the end', async (t) => {
  const run = new RunningJob(t, ['--on-oom=restart', '--restart-backoff=0s'], job);
  await run.heard('scale 1 attempt 1');
  postVmError({ client: await run.ready(), errno: -12 });
  await run.heard('scale 0.5 attempt 2');
  await run.ready();
  run.send('exit 0');
  assert.deepEqual(await run.end(), { code: 0, signal: null });
  assert.match(run.stderr, /out of GPU memory: the driver stopped a GPU VM of process \d+ \(ENOMEM\)/);
});

test('restarts come to an end, with exit code 75', async (t) => {
  const run = new RunningJob(t, ['--on-oom=restart', '--restart-backoff=0s', '--max-restarts=1'], job);
  postVmError({ client: await run.ready(), errno: -12 });
  postVmError({ client: await run.ready(), errno: -28 });
  assert.deepEqual(await run.end(), { code: 75, signal: null });
});

test('exit: the whole job ends, also what has left its process group, and the exit code is the one asked for', async (t) => {
  const run = new RunningJob(t, ['--on-oom=exit:99'], `sleep 600 | setsid ${CLIENT} ${RENDER0} & ${job}`);
  const first = JSON.parse(await run.heard(/"ready":true/)) as { files: { client: number }[] };
  await run.ready();
  await waitFor('both are watched', () => driverState().clients.every(({ watches }) => watches === 1));
  postVmError({ client: first.files[0]!.client, errno: -12 });
  assert.deepEqual(await run.end(), { code: 99, signal: null });
  assert.deepEqual(driverState().clients, []);
});

test('an error in the last moment of a job that fails of it still counts', async (t) => {
  const run = new RunningJob(t, ['--on-oom=exit:99'], job);
  const id = await run.ready();
  // Stopped, so that it reads the record only after the job has ended.
  run.child.kill('SIGSTOP');
  postVmError({ client: id, errno: -12 });
  run.send('exit 1');
  await waitFor('the job has ended', () => watchesOf(id) === undefined);
  run.child.kill('SIGCONT');
  assert.deepEqual(await run.end(), { code: 99, signal: null });
});

test('signal: it goes to whoever handles it, from the process that lost the VM upwards', async (t) => {
  const script = `trap 'echo shrunk' USR1; exec 3<&0; ${CLIENT} ${RENDER0} <&3 & while ! wait $!; do :; done`;
  const run = new RunningJob(t, ['--on-oom=signal:USR1'], script);
  postVmError({ client: await run.ready(), errno: -12 });
  await run.heard('shrunk');
  await waitFor('run said so', () => /sent SIGUSR1 to process \d+/.test(run.stderr));
});

test('signal: where nobody handles it, it is not sent, and the job lives', async (t) => {
  const run = new RunningJob(t, ['--on-oom=signal:USR1'], job);
  postVmError({ client: await run.ready(), errno: -12 });
  await waitFor('run said so', () => /no process of the job handles SIGUSR1/.test(run.stderr));
  run.send('exit 3');
  assert.deepEqual(await run.end(), { code: 3, signal: null });
});

test("errors that are no lack of memory, and the errors of others, leave the job alone; others' files are not watched", async (t) => {
  const neighbour = await startClientIn(t, { uid: USER });
  const run = new RunningJob(t, ['--on-oom=exit:99'], job);
  const id = await run.ready();
  await neighbour.createVm();
  const stranger = await startClientIn(t, { uid: 1001 });
  for (const { id: client } of [neighbour, stranger]) {
    assert.equal(watchesOf(client), 0);
    postVmError({ client, errno: -12, count: 50 });
  }
  postVmError({ client: id, errno: -62 });
  await waitFor('run said so', () => /ETIME.*left alone/.test(run.stderr));
  run.send('exit 4');
  assert.deepEqual(await run.end(), { code: 4, signal: null });
});

test('many files, some opened late and by children, are each watched once', async (t) => {
  const run = new RunningJob(t, ['--on-oom=exit:99'], `(sleep 600 | ${CLIENT} ${RENDER0} >/dev/null) & ${job}`);
  await run.ready();
  run.send(`open ${RENDER0}`);
  const late = JSON.parse(await run.heard(/"client":\d+\}$/)) as { k: number; client: number };
  await waitFor('the late one is watched', () => watchesOf(late.client) === 1);
  run.send(`close ${late.k}`);
  run.send(`open ${RENDER0}`);
  const again = JSON.parse(await run.heard(new RegExp(`"client":(?!${late.client}\\})\\d+\\}$`))) as { client: number };
  await waitFor('one that has its number is watched, too', () => watchesOf(again.client) === 1);
  postVmError({ client: again.client, errno: -12 });
  assert.deepEqual(await run.end(), { code: 99, signal: null });
});

test('as process 1 of a container it reaps orphans, passes SIGTERM on, and hears its job', async (t) => {
  const inside = ['unshare', '--mount-proc', '--pid', '--fork', '--kill-child', '--'];
  const orphans = 'for i in 1 2 3 4 5; do (sh -c "exit 1" &) ; done;';
  const run = new RunningJob(t, ['--on-oom=exit:75'], `${orphans} ${job}`, inside);
  const id = await run.ready();
  run.send('write /proc/sys/kernel/hostname inside');
  assert.match(await run.heard(/"ok":/), /true/);
  postVmError({ client: id, errno: -12 });
  assert.deepEqual(await run.end(), { code: 75, signal: null });
});

test('between opens nothing runs: there is a whole second without one wake-up', async (t) => {
  const run = new RunningJob(t, [], job);
  await run.ready();
  let [last, since] = [-1, 0];
  await waitFor('a second of rest', () => {
    const now = wakeUpsOf(run.child.pid!);
    if (now !== last) [last, since] = [now, performance.now()];
    return performance.now() - since > 1_000;
  });
  run.send('exit 0');
  assert.deepEqual(await run.end(), { code: 0, signal: null });
});

/** Voluntary context switches of all threads. */
function wakeUpsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8'))
    .map((status) => Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1]))
    .reduce((sum, count) => sum + count, 0);
}
