// What the exporter leaves in tracefs, and finds there: after a SIGKILL, beside another exporter, and beside other people's events.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { startClient } from '../../kernel/guest-lib.js';
import { createVm, GPU, killVm, move, readTracefs, startGpu, TRACEFS } from '../guest-lib.js';
import { TraceExporter, tracefsState } from '../trace-exporter.js';

startGpu();

/** Somebody else's, as bpftrace and perf make them. */
const FOREIGN = ['f:others/vm_kill xe_vm_kill client=vm->xef->drm->client_id:u64', 'p:others/open do_sys_openat2'];
for (const line of FOREIGN) appendFileSync(`${TRACEFS}/dynamic_events`, `${line}\n`);
const foreign = tracefsState().events;
assert.equal(foreign.length, FOREIGN.length);

const older = await startClient({ comm: 'ollama' });
after(() => older.kill());

test('killed and started again, it takes its instance over', async (t) => {
  const exporter = await TraceExporter.start();
  await exporter.knows(1);
  killVm(await createVm(older));
  await exporter.event(1);
  const before = tracefsState();
  assert.equal(before.instances.length, 1);
  await exporter.stop('SIGKILL');
  assert.deepEqual(tracefsState(), before, 'what a killed exporter leaves');
  const next = await TraceExporter.start();
  t.after(() => next.stop('SIGKILL'));
  assert.deepEqual(tracefsState(), before);
  await next.knows(1);
  const killed = await next.names(older);
  assert.equal(await next.rebindErrors(), killed, 'nothing of the time before is counted again');
  assert.equal(await next.stop(), 0);
});

test('what the driver evicts and restores is counted, and an out-of-memory error says for whom', async (t) => {
  const exporter = await TraceExporter.start({
    args: ['--trace-evictions', '--top-consumers', '--memory-interval=15s'],
  });
  t.after(() => exporter.stop('SIGKILL'));
  await exporter.knows(1);
  const sums = readTracefs('instances/xe-exporter/events/xe/xe_bo_move/trigger');
  assert.equal(sums.match(/\[active\]/g)?.length, 3, sums);
  const counted = () =>
    Promise.all(
      ['evictions', 'evicted_bytes', 'restored_bytes'].map((name) =>
        exporter.metric(`xe_device_${name}_total`, `pci_bdf="${GPU}"`),
      ),
    );
  assert.deepEqual(await counted(), [0, 0, 0]);
  await move(older, { count: 1_000, from: 'vram0', to: 'gtt', bytes: 65_536 });
  await move(older, { count: 10, from: 'gtt', to: 'vram0', bytes: 4_096 });
  // Neither of them is an eviction.
  await move(older, { count: 10, from: 'gtt', to: 'system', bytes: 4_096 });
  await move(older, { count: 10, from: 'vram0', to: 'vram1', bytes: 4_096 });
  await exporter.until('all moves to be counted', async () =>
    isDeepStrictEqual(await counted(), [1_000, 65_536_000, 40_960]),
  );
  killVm(await createVm(older));
  const { attributes } = await exporter.event(1);
  assert.match(String(attributes['xe.memory.evicted_for']), / 62\.5 MiB$/);
  assert.equal(await exporter.stop(), 0);
});

test('stopped, it leaves nothing but what others made', () => {
  assert.deepEqual(tracefsState(), { instances: [], events: foreign });
});

test('two exporters count the same, and the one that stays is not disturbed when the other ends', async (t) => {
  const first = await TraceExporter.start();
  t.after(() => first.stop('SIGKILL'));
  const second = await TraceExporter.start();
  t.after(() => second.stop('SIGKILL'));
  assert.equal(tracefsState().instances.length, 2);
  await first.knows(1);
  await second.knows(1);
  const killed = await first.names(older);
  await second.event(killed);
  assert.equal(await second.rebindErrors(), killed);
  assert.equal(await first.stop(), 0);
  await second.names(older);
  assert.equal(await second.stop(), 0);
  assert.deepEqual(tracefsState(), { instances: [], events: foreign });
});

// Debian's dmesg_restrict keeps the kernel log from it, and with that the error code.
test('no capability at all is enough to name victims: user id 0', async (t) => {
  const launcher = ['setpriv', '--bounding-set=-all', '--inh-caps=-all'];
  const bare = await TraceExporter.start({ launcher }, ['trace']);
  t.after(() => bare.stop('SIGKILL'));
  assert.equal(await bare.metric('xe_exporter_source_up', 'source="kmsg"'), 0);
  killVm(await createVm(older));
  const { attributes } = await bare.event(1);
  assert.equal(attributes['xe.victim.evidence'], 'kernel_trace');
  assert.equal(attributes['process.pid'], older.pid);
  assert.equal(attributes['error.type'], '_OTHER');
  assert.equal(await bare.stop(), 0);
});

test('doctor says how victims are named here', async () => {
  const doctor = await ExporterProcess.run(['doctor'], {}, ({ raw }) => (raw === undefined ? undefined : 'answered'));
  await doctor.exited;
  const text = doctor.stdout.join('\n');
  assert.match(text, new RegExp(GPU));
  assert.match(text, /trace/);
  assert.deepEqual(tracefsState(), { instances: [], events: foreign }, 'doctor leaves nothing');
});
