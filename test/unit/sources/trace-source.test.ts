import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NativeResult } from '../../../exporter/native/binding.js';
import type { TraceBatch } from '../../../exporter/sources/source.js';
import { openTrace } from '../../../exporter/sources/trace/source.js';
import { MOVE_SUMS, type MoveSum } from '../../../exporter/sources/trace/tracefs.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { MadeUpTracefs } from '../../helpers/made-up-tracefs.js';
import { MessageSourceUnderTest } from '../../helpers/message-source.js';
import { aTraceLine, QUEUE_FIELDS, VM_FIELDS } from '../../helpers/trace-lines.js';
import { waitFor } from '../../helpers/wait-for.js';

const [EIO, EBUSY, EPERM] = [5, 16, 1];
const BDF = '0000:03:00.0';
const VM = '00000000b1c5e1f2';
const WORKER = { comm: 'kworker/u16:3', tid: 9, tgid: 9 };
const VM_EVENTS = [
  'xe_vm_create',
  'xe_vm_free',
  'xe_vm_kill',
  'xe_vm_rebind_worker_enter',
  'xe_vm_rebind_worker_exit',
  'xe_exec_queue_create',
];

interface Given {
  readonly instances?: readonly string[];
  /** False: the kernel takes no function event. */
  readonly probe?: boolean;
  readonly memoryInterval?: number;
  readonly traceEvictions?: boolean;
  readonly refusal?: (path: string) => NativeResult;
}

function setUp(t: { after(fn: () => unknown): void }, given: Given = {}) {
  const { instances = ['xe-exporter'], probe = true, refusal, memoryInterval = 15_000, traceEvictions = true } = given;
  const sysfs = new FixtureTree(t);
  sysfs.xeDevice(BDF, { card0: '226:0', renderD128: '226:128' });
  const tracefs = new MadeUpTracefs(t);
  tracefs.instances(...instances);
  if (probe) instances.forEach((name) => tracefs.probeSwitch(name));
  else tracefs.remove('dynamic_events');
  const under = new MessageSourceUnderTest(t, openTrace, {
    config: { sysRoot: sysfs.root, tracefsRoot: tracefs.root, memoryInterval, traceEvictions },
    ...(refusal && { refusal: (options) => refusal('path' in options ? options.path : '') }),
  });
  const open = async () => {
    const opened = await under.open();
    assert.ok('run' in opened, JSON.stringify(opened));
    t.after(() => opened.run.stop());
    return opened;
  };
  return { sysfs, tracefs, under, open, batch: (index: number) => under.batches[index] as TraceBatch };
}

/** Seconds of CLOCK_MONOTONIC, in whole microseconds as the trace has them. */
function seconds(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1e6;
}

function post(under: MessageSourceUnderTest, event: string, fields: string, parts: object = WORKER): void {
  under.post(aTraceLine(event, fields, { seconds: seconds(), ...parts }));
}

test('a VM that dies comes with its device, its process and the time of its death', async (t) => {
  const { under, open, batch } = setUp(t);
  const before = process.hrtime.bigint() / 1_000_000n;
  await open();
  assert.deepEqual(
    under.readerOptions.map((options) => options.protocol),
    ['trace'],
  );
  const fields = VM_FIELDS['6.12']({ vm: VM });
  post(under, 'xe_vm_create', fields, { comm: 'python3', tid: 205, tgid: 203 });
  post(under, 'xe_vm_rebind_worker_enter', fields);
  post(under, 'xe_vm_kill', fields);
  await under.delivered(1);
  const { kind, source, kill, device, monotonicNs, realtimeNs } = batch(0);
  assert.deepEqual([kind, source, device?.card], ['trace', 'trace', 'card0']);
  assert.deepEqual(kill?.owner, { pid: 203, comm: 'python3', drmClientId: undefined });
  assert.equal(kill?.rebind, true);
  assert.equal(monotonicNs, kill?.nanoseconds);
  assert.ok(monotonicNs / 1_000_000n >= before && monotonicNs <= process.hrtime.bigint());
  assert.ok(Math.abs(Number(realtimeNs / 1_000_000n) - Date.now()) < 60_000);
  assert.deepEqual(under.gpuProcesses, [203]);
});

test('whose a queue or an address space is comes with its device, in the order of the trace', async (t) => {
  const { under, open } = setUp(t);
  await open();
  post(under, 'xe_exec_queue_create', QUEUE_FIELDS['7.3']({ gucId: 9 }), { comm: 'python3', tid: 205, tgid: 203 });
  const fields = VM_FIELDS['6.16']({ vm: VM, asid: 31 });
  post(under, 'xe_vm_create', fields, { comm: 'python3', tid: 205, tgid: 203 });
  await under.delivered(2);
  const told = under.batches.map((one) => (one.kind === 'ownership' ? one : assert.fail(one.kind)));
  assert.deepEqual(
    told.map(({ ownership: { object, owner }, device }) => [object, owner?.pid, device?.card]),
    [
      [{ kind: 'exec_queue', gt: 0, gucId: 9 }, 203, 'card0'],
      [{ kind: 'address_space', asid: 31 }, 203, 'card0'],
    ],
  );
});

test('the function event names the process though nobody saw the VM made', async (t) => {
  const { under, open, batch } = setUp(t);
  const { note } = await open();
  assert.equal(note, 'the driver names the process of every GPU VM');
  post(under, 'vm_kill', `(xe_vm_kill+0x4/0xf0 [xe]) pid=191 client=700 asid=16 flags=0x2 dev="${BDF}" comm="ollama"`);
  await under.delivered(1);
  assert.deepEqual(batch(0).kill?.owner, { pid: 191, comm: 'ollama', drmClientId: 700 });
});

test('what is written is the instance’s own and nothing else', async (t) => {
  const { tracefs, open } = setUp(t);
  tracefs.write('dynamic_events', 'p:foreign/event do_sys_open\n');
  const { run } = await open();
  assert.deepEqual(tracefs.on('xe-exporter'), VM_EVENTS);
  const settings = ['buffer_size_kb', 'trace_clock', 'options/record-tgid', 'options/irq-info'];
  assert.deepEqual(
    settings.map((path) => tracefs.read(`instances/xe-exporter/${path}`).slice(0, 4)),
    ['6410', 'mono', '1\n', '0\n'],
    'nothing was truncated: a folder keeps what lay behind',
  );
  const [foreign, ours, ...more] = tracefs.read('dynamic_events').trim().split('\n');
  assert.equal(foreign, 'p:foreign/event do_sys_open');
  assert.match(
    ours ?? '',
    /^f:xe_exporter\/vm_kill xe_vm_kill pid=.* client=.* dev=.* comm=vm->xef->process_name:string$/,
  );
  assert.deepEqual(more, []);
  assert.match(tracefs.read('instances/xe-exporter/events/xe_exporter/vm_kill/enable'), /^1/);
  await run.stop();
  assert.deepEqual(tracefs.on('xe-exporter'), []);
  assert.match(tracefs.read('instances/xe-exporter/events/xe_exporter/vm_kill/enable'), /^0/);
  assert.equal(tracefs.read('dynamic_events').trim().split('\n').at(-1), '-:xe_exporter/vm_kill');
});

test('a definition that is there is used, one that says less is replaced', async (t) => {
  for (const [definition, appended] of [
    ['f:xe_exporter/vm_kill xe_vm_kill pid=vm->xef->pid:s32 client=x:u64 dev=y:string', []],
    ['f:xe_exporter/vm_kill xe_vm_kill client=x:u64', ['-', 'f']],
    ['f:other/vm_kill xe_vm_kill client=x:u64', ['f']],
  ] as const) {
    const { tracefs, open } = setUp(t);
    tracefs.write('dynamic_events', `${definition}\n`);
    await open();
    const [first, ...rest] = tracefs.read('dynamic_events').trim().split('\n');
    assert.equal(first, definition);
    assert.deepEqual(
      rest.map((line) => line.charAt(0)),
      appended,
    );
  }
});

test('without the function event processes are known by what they do, and it is said', async (t) => {
  const { tracefs, open } = setUp(t, { probe: false });
  const { note } = await open();
  assert.match(note ?? '', /made their GPU VM since the exporter started, or that bind memory later.*ENOENT/);
  assert.deepEqual(tracefs.on('xe-exporter'), [...VM_EVENTS.slice(0, 5), 'xe_vma_bind', 'xe_exec_queue_create']);
  const older = setUp(t, { probe: false });
  older.tracefs.load('instances/xe-exporter', 'field:void * vma;');
  assert.match((await older.open()).note ?? '', /since the exporter started; the event/);
  assert.deepEqual(older.tracefs.on('xe-exporter'), VM_EVENTS);
});

test('an instance that another exporter reads is left alone', async (t) => {
  const { tracefs, open } = setUp(t, {
    instances: ['xe-exporter', 'xe-exporter-2', 'xe-exporter-3'],
    refusal: (path) => (path.includes('/xe-exporter-3/') ? undefined : { operation: 'open', errno: EBUSY }),
  });
  const { run } = await open();
  assert.deepEqual(
    ['xe-exporter', 'xe-exporter-2', 'xe-exporter-3'].map((name) => tracefs.on(name).length),
    [0, 0, VM_EVENTS.length],
  );
  await run.stop();
  assert.ok(tracefs.has('instances/xe-exporter') && tracefs.has('instances/xe-exporter-2'));
});

test('a driver that was loaded again is switched on again, with the function event off and on', async (t) => {
  const { tracefs, open } = setUp(t);
  await open();
  tracefs.unload('instances/xe-exporter');
  tracefs.load('instances/xe-exporter');
  await waitFor(() => tracefs.on('xe-exporter').length === VM_EVENTS.length, { what: 'the events to be on again' });
  assert.match(tracefs.read('instances/xe-exporter/events/xe_exporter/vm_kill/enable'), /^1/);
});

test('an instance that somebody removed ends the run', async (t) => {
  const { tracefs, under, open } = setUp(t);
  await open();
  tracefs.remove('instances/xe-exporter');
  await waitFor(() => under.deaths.length > 0, { what: 'the death' });
  assert.deepEqual(under.deaths, ['its tracing instance was removed']);
  assert.equal(under.reader.post(Buffer.from('x')), false, 'closed');
});

test('a reader that fails ends the run, once, and everything is off', async (t) => {
  const { tracefs, under, open } = setUp(t);
  const { run } = await open();
  under.reader.postError(EIO);
  await waitFor(() => under.deaths.length > 0, { what: 'the death' });
  assert.deepEqual(under.deaths, ['read failed with EIO']);
  await run.stop();
  assert.deepEqual([under.deaths.length, tracefs.on('xe-exporter')], [1, []]);
});

test('what was read when it stops is delivered, half a kill too', async (t) => {
  const { under, open, batch } = setUp(t);
  const { run } = await open();
  post(under, 'vm_kill', `(xe_vm_kill+0x4/0xf0 [xe]) pid=191 client=700 dev="${BDF}" comm="a"`);
  await run.stop();
  assert.equal(under.batches.length, 1);
  assert.equal(batch(0).kill?.owner?.pid, 191);
});

test('what an exporter that was killed left unread names processes, and is no news', async (t) => {
  const { under, open, batch } = setUp(t);
  await open();
  const fields = VM_FIELDS['6.16']({ vm: VM });
  const other = VM_FIELDS['6.16']({ vm: '00000000b1c5e1f3' });
  post(under, 'xe_vm_create', fields, { comm: 'python3', tid: 205, tgid: 203, seconds: 1 });
  post(under, 'xe_vm_kill', other, { ...WORKER, seconds: 1.5 });
  post(under, 'xe_vm_kill', fields);
  await under.delivered(1);
  assert.equal(under.batches.length, 1);
  assert.equal(batch(0).kill?.owner?.pid, 203);
});

test('a line that is none is counted as malformed, events of others are nobody’s', async (t) => {
  const { under, open, batch } = setUp(t);
  await open();
  under.post('what is this');
  post(under, 'sched_switch', 'prev_comm=a');
  under.post('CPU:1 [LOST 5 EVENTS]');
  await under.delivered(2);
  assert.deepEqual(under.kinds(), ['trace', 'loss']);
  assert.equal(batch(0).kill, undefined);
});

test('a device is the only one there is where the kernel does not name it', async (t) => {
  const { under, open, batch } = setUp(t);
  await open();
  post(under, 'xe_vm_kill', VM_FIELDS['6.8']({ vm: VM }));
  await under.delivered(1);
  assert.equal(batch(0).device?.pciBdf, BDF);
});

test('what the node refuses is said with its remedy, and nothing is written', async (t) => {
  const refused = async (change: (tracefs: MadeUpTracefs, sysfs: FixtureTree) => void, given: Given = {}) => {
    const { tracefs, sysfs, under } = setUp(t, given);
    change(tracefs, sysfs);
    const opened = await under.open();
    assert.ok('refused' in opened);
    if (tracefs.has('instances/xe-exporter/events/xe')) assert.deepEqual(tracefs.on('xe-exporter'), []);
    return opened.refused;
  };
  const locked = await refused((_, sysfs) =>
    sysfs.file('kernel/security/lockdown', 'none integrity [confidentiality]\n'),
  );
  assert.equal(locked.state, 'denied');
  assert.match(locked.reason, /locked down/);
  const unmounted = await refused((tracefs) => tracefs.remove('instances'));
  assert.match(unmounted.fix, /mount -t tracefs/);
  const unloaded = await refused((tracefs) => tracefs.unload('.'));
  assert.equal(unloaded.state, 'unsupported');
  const forbidden = await refused(() => undefined, { refusal: () => ({ operation: 'open', errno: EPERM }) });
  assert.match(forbidden.reason, /trace_pipe cannot be used \(EPERM\)/);
  const busy = await refused(() => undefined, {
    instances: ['', '-2', '-3', '-4', '-5', '-6', '-7', '-8'].map((end) => `xe-exporter${end}`),
    refusal: () => ({ operation: 'open', errno: EBUSY }),
  });
  assert.match(busy.fix, /other exporters/);
});

test('the option switches it off', async (t) => {
  const under = new MessageSourceUnderTest(t, openTrace, { config: { trace: 'off' } });
  const opened = await under.open();
  assert.ok('refused' in opened);
  assert.equal(opened.refused.state, 'disabled');
});

/** The sums of the kernel as it prints them. @param sums keys, number and bytes of each */
function histogramText(sums: Partial<Record<MoveSum, readonly (readonly [string, number, number])[]>>): string {
  return (Object.keys(MOVE_SUMS) as MoveSum[])
    .map((sum) => {
      const { keys, size, filter } = MOVE_SUMS[sum];
      const entries = (sums[sum] ?? []).map(([values, moves, bytes]) => {
        const [device = '', tid] = values.split(' ');
        const thread = tid === undefined ? '' : `, common_pid: ${tid.padStart(10)}`;
        return `{ device_id: ${device.padEnd(50)}${thread} } hitcount: ${moves}  size: ${bytes}`;
      });
      return [
        '# event histogram\n#',
        `# trigger info: hist:keys=${keys}:vals=hitcount,size:sort=hitcount:size=${size} if ${filter} [active]\n#\n`,
        ...entries,
        `\nTotals:\n    Hits: 1\n    Entries: ${entries.length}\n    Dropped: 0\n`,
      ].join('\n');
    })
    .join('\n\n');
}

test('evictions are what the kernel has summed up since the last look', async (t) => {
  const { tracefs, under, open } = setUp(t, { memoryInterval: 1 });
  const at = 'instances/xe-exporter/events/xe/xe_bo_move';
  const show = (...sums: Parameters<typeof histogramText>) => tracefs.write(`${at}/hist`, histogramText(...sums));
  show({ evicted: [[BDF, 5, 500]], restored: [[BDF, 1, 100]] });
  const { run } = await open();
  assert.deepEqual(
    tracefs
      .read(`${at}/trigger`)
      .trim()
      .split('\n')
      .map((line) => line.split(' if ')[0]),
    [
      'hist:keys=device_id:vals=size:size=128',
      'hist:keys=device_id:vals=size:size=128',
      'hist:keys=device_id,common_pid:vals=size:size=1024',
    ],
  );
  assert.match(tracefs.read(`${at}/enable`), /^0/, 'no move enters the ring');
  assert.deepEqual(under.moved[0], [BDF, { evictions: 0, evictedBytes: 0, restoredBytes: 0 }], 'the first look');
  const sum = () =>
    under.moved.reduce(
      ([evictions, evicted, restored], [, moved]) => [
        evictions! + moved.evictions,
        evicted! + moved.evictedBytes,
        restored! + moved.restoredBytes,
      ],
      [0, 0, 0],
    );
  show({ evicted: [[BDF, 7, 900]], restored: [[BDF, 2, 150]] });
  await waitFor(() => sum()[1] === 400, { what: 'the second look' });
  assert.deepEqual(sum(), [2, 400, 50]);
  // The driver was loaded again.
  show({ evicted: [[BDF, 1, 30]], restored: [] });
  await waitFor(() => sum()[1] === 430, { what: 'what came after the load' });
  assert.deepEqual(sum(), [3, 430, 50]);
  await run.stop();
  assert.deepEqual(
    tracefs
      .read(`${at}/trigger`)
      .trim()
      .split('\n')
      .slice(-3)
      .map((line) => line.charAt(0)),
    ['!', '!', '!'],
  );
});

test('for whom memory was evicted is told by process, and threads that are gone by nobody', async (t) => {
  const { tracefs, under, open } = setUp(t, { memoryInterval: 1 });
  const at = 'instances/xe-exporter/events/xe/xe_bo_move';
  const us = `${BDF} ${process.pid}`;
  tracefs.write(`${at}/hist`, histogramText({ asked: [[us, 1, 100]] }));
  await open();
  const gone = `${BDF} 4194304`;
  const foreign = `0000:99:00.0 ${process.pid}`;
  const asked = [
    [us, 3, 350],
    [gone, 1, 50],
    [foreign, 1, 50],
  ] as const;
  tracefs.write(`${at}/hist`, histogramText({ asked }));
  await waitFor(() => under.evictedFor.length > 0, { what: 'the second look' });
  assert.deepEqual(under.evictedFor, [[BDF, process.pid, 250]]);
});

test('the kernel is told to forget for whom memory was evicted before its table is full', async (t) => {
  const { tracefs, under, open } = setUp(t, { memoryInterval: 1 });
  const at = 'instances/xe-exporter/events/xe/xe_bo_move';
  await open();
  const asked = Array.from({ length: 513 }, (_, index) => [`${BDF} ${4_194_304 + index}`, 1, 10] as const);
  tracefs.write(`${at}/hist`, histogramText({ asked }));
  await waitFor(() => tracefs.read(`${at}/trigger`).includes('!'), { what: 'the removal' });
  const [removed, again] = tracefs.read(`${at}/trigger`).trim().split('\n').slice(3, 5);
  assert.equal(removed, `!${again}`);
  assert.match(again ?? '', /^hist:keys=device_id,common_pid:/);
  assert.deepEqual(under.evictedFor, []);
});

test('a kernel that cannot sum up says so, and victims are named all the same', async (t) => {
  const { tracefs, under, open } = setUp(t, { memoryInterval: 1 });
  tracefs.remove('instances/xe-exporter/events/xe/xe_bo_move/trigger');
  const { note } = await open();
  assert.match(note ?? '', /^the driver names the process of every GPU VM; evictions are not counted: .*ENOENT/);
  assert.deepEqual(under.moved, []);
});

for (const off of [{ memoryInterval: 0 }, { traceEvictions: false }]) {
  test(`nothing is summed up with ${JSON.stringify(off)}`, async (t) => {
    const { tracefs, under, open } = setUp(t, off);
    const { note } = await open();
    assert.equal(note, 'the driver names the process of every GPU VM');
    assert.equal(tracefs.read('instances/xe-exporter/events/xe/xe_bo_move/trigger'), '');
    assert.deepEqual(under.moved, []);
  });
}
