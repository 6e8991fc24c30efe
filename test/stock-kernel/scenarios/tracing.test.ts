// What tracing gives an observer on this kernel, without the exporter: the facts its trace source relies on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { test, type TestContext } from 'node:test';
import { MOVE_SUMS, Tracefs } from '../../../exporter/sources/trace/tracefs.js';
import { parseTraceHistograms } from '../../../exporter/wire/trace-histogram.js';
import { startClientIn, waitFor } from '../../kernel/guest-lib.js';
import { control, createVm, freeVm, GPU, killVm, readTracefs, startGpu, traceLines, TRACEFS } from '../guest-lib.js';

startGpu();

const INSTANCE = 'scenario';
const [major = 0, minor = 0] = release().split('.').map(Number);
/** vm flags came after 6.12, at the latest with 6.16. */
const hasFlags = major > 6 || minor >= 16;
const VM_FIELDS = `dev=${GPU}, vm=\\w+, asid=0x\\w+${hasFlags ? ', vm flags=0x\\w+' : ''}`;
const DEFINITION =
  'f:scenario/vmkill xe_vm_kill dev=vm->xe->drm.dev->kobj.name:string pid=vm->xef->pid:s32 ' +
  'comm=vm->xef->process_name:string client=vm->xef->drm->client_id:u64';

const write = (path: string, text: string): void => writeFileSync(`${TRACEFS}/${path}`, text);

function useInstance(t: TestContext): void {
  mkdirSync(`${TRACEFS}/instances/${INSTANCE}`);
  t.after(() => rmdirSync(`${TRACEFS}/instances/${INSTANCE}`));
}

/** A function event on the driver's xe_vm_kill, enabled in the instance. */
function useFunctionEvent(t: TestContext): void {
  // Hooks run in the order in which they were set.
  t.after(() => {
    write(`instances/${INSTANCE}/events/scenario/vmkill/enable`, '0');
    appendFileSync(`${TRACEFS}/dynamic_events`, '-:scenario/vmkill\n');
  });
  appendFileSync(`${TRACEFS}/dynamic_events`, `${DEFINITION}\n`);
  useInstance(t);
  write(`instances/${INSTANCE}/events/scenario/vmkill/enable`, '1');
}

const owners = (): string[] => traceLines(INSTANCE).map((line) => line.slice(line.indexOf('dev=')));

test('plain events: text, order and context', async (t) => {
  useInstance(t);
  for (const event of ['create', 'free', 'kill', 'rebind_worker_enter', 'rebind_worker_exit']) {
    write(`instances/${INSTANCE}/events/xe/xe_vm_${event}/enable`, '1');
  }
  const client = await startClientIn(t, { comm: 'ai-train' });
  const vm = await createVm(client);
  killVm(vm);
  freeVm(vm);
  const lines = traceLines(INSTANCE);
  const order = ['create', 'rebind_worker_enter', 'kill', 'rebind_worker_exit', 'free'];
  assert.deepEqual(
    lines.map((line) => /: xe_vm_(\w+): /.exec(line)?.[1]),
    order,
    lines.join('\n'),
  );
  for (const line of lines) assert.match(line, new RegExp(`: xe_vm_\\w+: ${VM_FIELDS}$`));
  assert.match(lines[0]!, new RegExp(`^ *ai-train-${client.pid} `), 'the thread of the application');
  for (const line of lines.slice(1)) assert.match(line, /^ *kworker\//);
  assert.equal(new Set(lines.map((line) => /vm=(\w+)/.exec(line)?.[1])).size, 1, 'one hash for one VM');
});

test('the function event names the owner of a VM that is older than the trace', async (t) => {
  const client = await startClientIn(t, { comm: 'ai-train', uid: 1000 });
  const vm = await createVm(client).catch(() => undefined);
  assert.equal(vm, undefined, 'only root may write to the control file');
  const root = await startClientIn(t, { comm: 'ollama' });
  const older = await createVm(root);
  useFunctionEvent(t);
  killVm(older);
  assert.deepEqual(owners(), [`dev="${GPU}" pid=${root.pid} comm="ollama" client=${root.id}`]);
});

test('the function event names an opener that is dead by then', async (t) => {
  const opener = await startClientIn(t, { comm: 'launcher' });
  const holder = await startClientIn(t, { files: [], comm: 'worker' });
  const received = holder.send('receive /tmp/pass');
  await waitFor('the file to be passed', async () => (await opener.send('pass 0 /tmp/pass')).ok);
  await received;
  const vm = await createVm(opener);
  const { id, pid } = opener;
  await opener.kill();
  useFunctionEvent(t);
  killVm(vm);
  assert.deepEqual(owners(), [`dev="${GPU}" pid=${pid} comm="launcher" client=${id}`]);
});

test('200 kills in a burst are all there', async (t) => {
  const client = await startClientIn(t, { comm: 'burst' });
  const vms = Array.from({ length: 200 }, (_, i) => 1000 + i);
  control(...vms.map((vm) => `create ${vm} ${client.id}`));
  useFunctionEvent(t);
  control(...vms.map((vm) => `kill ${vm} -12`));
  assert.equal(owners().length, 200);
  assert.equal(new Set(owners()).size, 1);
});

test('a second definition of the same name is refused, and the first stays', (t) => {
  useFunctionEvent(t);
  assert.throws(() => appendFileSync(`${TRACEFS}/dynamic_events`, `${DEFINITION}\n`), /EEXIST|EINVAL/);
  assert.equal(readTracefs('dynamic_events').trim().split('\n').length, 1);
});

test('what is evicted and restored is summed up in one instance, each by a trigger', (t) => {
  useInstance(t);
  const tracefs = new Tracefs(TRACEFS);
  const event = `instances/${INSTANCE}/events/xe/xe_bo_move`;
  for (const sum of ['evicted', 'restored', 'asked', 'evicted'] as const) tracefs.keepSum(INSTANCE, sum);
  assert.equal(readTracefs(`${event}/trigger`).match(/\[active\]/g)?.length, 3, readTracefs(`${event}/trigger`));
  const histograms = parseTraceHistograms(readTracefs(`${event}/hist`));
  assert.deepEqual(
    Object.values(MOVE_SUMS).map(
      ({ keys, filter }) =>
        histograms.filter(
          ({ trigger }) => trigger.startsWith(`hist:keys=${keys}:`) && trigger.includes(` if ${filter} [`),
        ).length,
    ),
    [1, 1, 1],
    readTracefs(`${event}/hist`),
  );
  assert.match(readTracefs(`${event}/enable`), /^0/, 'no move enters the ring');
  tracefs.forgetSum(INSTANCE, 'evicted');
  assert.equal(parseTraceHistograms(readTracefs(`${event}/hist`)).length, 2);
});

/** No buffer moves without a GPU: programs that are started stand in, which have a string and numbers, too. */
test('a histogram by a string and a process reads as the kernel prints it', (t) => {
  useInstance(t);
  const event = `instances/${INSTANCE}/events/sched/sched_process_exec`;
  appendFileSync(`${TRACEFS}/${event}/trigger`, 'hist:keys=filename,common_pid:vals=old_pid:size=128\n');
  for (let times = 0; times < 3; times++) execFileSync('/bin/busybox', ['true']);
  const [histogram, ...more] = parseTraceHistograms(readTracefs(`${event}/hist`));
  assert.deepEqual(more, []);
  const started = histogram!.entries.filter(({ keys }) => keys.get('filename') === '/bin/busybox');
  assert.equal(started.length, 3, readTracefs(`${event}/hist`));
  for (const { keys, sums } of started) {
    assert.deepEqual([sums.get('hitcount'), sums.get('old_pid')], [1, Number(keys.get('common_pid'))]);
  }
});

test('all of it needs user id 0 and no capability', () => {
  const script = [
    'set -e; cd /sys/kernel/tracing',
    'grep -q "CapEff:.0000000000000000" /proc/self/status',
    `echo '${DEFINITION}' >>dynamic_events`,
    'mkdir instances/bare',
    'echo mono >instances/bare/trace_clock',
    'echo 1 >instances/bare/events/scenario/vmkill/enable',
    'echo 1 >instances/bare/events/xe/xe_vm_create/enable',
    'cat instances/bare/trace',
    'echo 0 >instances/bare/events/scenario/vmkill/enable',
    'rmdir instances/bare',
    'echo -:scenario/vmkill >>dynamic_events',
  ];
  execFileSync('setpriv', ['--bounding-set=-all', '--inh-caps=-all', 'sh', '-c', script.join('\n')]);
});
