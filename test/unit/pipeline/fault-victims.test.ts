import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { ATTRIBUTE, METRIC, type ClientFault } from '../../../exporter/names.js';
import type { LogRecord } from '../../../exporter/pipeline/log/log-record.js';
import type { TracedObject } from '../../../exporter/sources/trace/ownership.js';
import { aClient, aDevice, aWorkload } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';
import { manualClock } from '../../helpers/manual-clock.js';
import { aKill, aLine, aUevent } from '../../helpers/messages.js';
import { recordedPipeline } from '../../helpers/recorded-pipeline.js';

const RESET = 'Tile0: GT0: Engine reset: engine_class=ccs, logical_mask: 0x1, guc_id=5, state=0x249';
const CAT_ERROR = 'Tile0: GT0: Engine memory CAT error [18]: class=ccs, logical_mask: 0x1, guc_id=5';
const FAULT_PRINTED =
  'Tile0: GT0: \\x0a\\x09ASID: 31\\x0a\\x09Faulted Address: 0x0000815c204000\\x0a\\x09FaultType: 0\\x0a\\x09EngineInstance: 0';
const UNSERVICED = 'Tile0: GT0: Fault response: Unsuccessful -EINVAL';
const TIMEOUT = 'Tile0: GT0: Timedout job: seqno=1, lrc_seqno=1, guc_id=5, flags=0x0';
const QUEUE: TracedObject = { kind: 'exec_queue', gt: 0, gucId: 5 };
const SPACE: TracedObject = { kind: 'address_space', asid: 31 };
/** By then a fault has its victim. */
const NAMED_MS = 500;

function start(t: TestContext, { traced = true } = {}) {
  const { now: epoch, advance, stall } = manualClock(t);
  const boot = epoch() - 10_000;
  const now = () => epoch() - boot;
  const recorded = recordedPipeline(['trace', 'kmsg', 'uevent'], { now, traced: () => traced });
  const { metrics, prometheus, pipeline, records: logged } = recorded;
  const clients = new ClientTable(100);
  clients.subscribe(prometheus.clientListener);
  for (const listener of pipeline.clientListeners) clients.subscribe(listener);
  const device = aDevice();
  metrics.devices.deviceDiscovered(device);
  pipeline.deviceAdded(device);
  const client = (pid: number, pod: string) =>
    clients.add(aClient({ drmClientId: pid, device, process: { pid }, workload: aWorkload({ pod }) }), [])!;
  const line = (message: string) => pipeline.handle(aLine(message, now(), device));
  const owns = (pid: number | undefined, object: TracedObject, at = now()) =>
    pipeline.handle({
      kind: 'ownership',
      source: 'trace',
      realtimeNs: BigInt(Date.now()) * 1_000_000n,
      monotonicNs: BigInt(now()) * 1_000_000n,
      ownership: {
        nanoseconds: BigInt(at) * 1_000_000n,
        pciBdf: device.pciBdf,
        object,
        owner: pid === undefined ? undefined : { pid, comm: 'python3', drmClientId: undefined },
      },
      device,
    });
  const lose = () =>
    pipeline.handle({
      kind: 'loss',
      source: 'trace',
      realtimeNs: 0n,
      monotonicNs: BigInt(now()) * 1_000_000n,
      messages: 3,
    });
  const read = async () => parseExposition(await metrics.registry.render('text'));
  /** How often a pod had a fault. */
  const faults = async (fault: ClientFault, pod: string) =>
    [...(await read())].reduce(
      (sum, [key, value]) =>
        key.startsWith(`${METRIC.clientFaults}{`) && key.includes(`fault="${fault}"`) && key.includes(`"${pod}"`)
          ? sum + value
          : sum,
      0,
    );
  return { pipeline, clients, device, client, line, owns, lose, logged, read, faults, advance, stall, now };
}

for (const [fault, lines] of [
  ['engine_reset', [RESET]],
  ['memory_cat_error', [CAT_ERROR]],
  ['page_fault', [FAULT_PRINTED, UNSERVICED]],
  ['job_timeout', [TIMEOUT]],
] as const) {
  test(`${fault}: the number in the line leads to the pod, exactly`, async (t) => {
    const { client, owns, line, faults, logged, advance } = start(t);
    client(41, 'train-0');
    client(42, 'train-1');
    owns(42, QUEUE);
    owns(42, SPACE);
    advance(1_000);
    lines.forEach(line);
    assert.deepEqual([await faults(fault, 'train-1'), logged.length], [0, 0], 'the trace may have more to say');
    advance(NAMED_MS);
    assert.equal(await faults(fault, 'train-1'), 1);
    assert.equal(await faults(fault, '_unattributed'), 0);
    const [{ body, attributes }, ...others] = logged as [LogRecord, ...LogRecord[]];
    assert.deepEqual(others, []);
    assert.match(body, /job of container main of pod ml\/train-1/i);
    assert.equal(attributes[ATTRIBUTE.victimEvidence], 'kernel_trace');
    assert.equal(attributes[ATTRIBUTE.pid], 42);
    assert.ok(!(ATTRIBUTE.victimInferred in attributes));
  });
}

test('the device counts at once, and once', async (t) => {
  const { client, owns, line, read, advance } = start(t);
  client(42, 'train-1');
  owns(42, QUEUE);
  const resets = async () => (await read()).get('xe_engine_resets_total{pci_bdf="0000:03:00.0"}');
  line(RESET);
  assert.equal(await resets(), 1);
  advance(NAMED_MS);
  assert.equal(await resets(), 1);
});

test('the trace is waited for while the exporter does not run', async (t) => {
  const { client, owns, line, faults, advance, stall, now } = start(t);
  client(42, 'train-1');
  const happened = now();
  line(RESET);
  stall(5_000);
  owns(42, QUEUE, happened - 5_000);
  advance(NAMED_MS);
  assert.equal(await faults('engine_reset', 'train-1'), 1);
});

test('the line can be read before what the trace said of the queue', async (t) => {
  const { client, owns, line, faults, advance, now } = start(t);
  client(42, 'train-1');
  const happened = now();
  line(RESET);
  advance(NAMED_MS - 1);
  owns(42, QUEUE, happened - 5_000);
  advance(1);
  assert.equal(await faults('engine_reset', 'train-1'), 1);
});

test('a number that was used again is that of its owner at the time of the fault', async (t) => {
  const { client, owns, line, faults, advance, now } = start(t);
  client(41, 'first');
  client(42, 'second');
  owns(41, QUEUE);
  advance(1_000);
  line(RESET);
  advance(300);
  owns(42, QUEUE);
  advance(NAMED_MS);
  assert.deepEqual([await faults('engine_reset', 'first'), await faults('engine_reset', 'second')], [1, 0]);
  advance(1_000);
  line(RESET);
  advance(NAMED_MS);
  assert.deepEqual([await faults('engine_reset', 'first'), await faults('engine_reset', 'second')], [1, 1]);
  // Two owners within what the clocks may differ: nobody can say whose it was.
  owns(41, QUEUE, now() - 20);
  line(RESET);
  advance(NAMED_MS);
  assert.deepEqual([await faults('engine_reset', 'first'), await faults('engine_reset', 'second')], [1, 1]);
  assert.equal(await faults('engine_reset', '_unattributed'), 1);
});

test('the driver’s own queue is nobody’s, and so is one of which nothing is known', async (t) => {
  const { client, owns, line, faults, logged, advance } = start(t);
  client(41, 'train-0');
  owns(41, QUEUE);
  advance(500);
  owns(undefined, QUEUE);
  owns(41, { ...QUEUE, gt: 1 });
  advance(500);
  line(RESET);
  line(RESET.replace('guc_id=5', 'guc_id=6'));
  advance(NAMED_MS);
  assert.equal(await faults('engine_reset', 'train-0'), 0);
  assert.equal(await faults('engine_reset', '_unattributed'), 2);
  assert.match(logged[0]!.body, /was reset to stop a job: /);
});

test('without a GT in the line the number has to be one process’s', async (t) => {
  const { client, owns, line, faults, advance } = start(t);
  client(41, 'train-0');
  client(42, 'train-1');
  owns(41, QUEUE);
  advance(1_000);
  line('Engine reset: guc_id=5');
  advance(NAMED_MS);
  assert.equal(await faults('engine_reset', 'train-0'), 1);
  owns(42, { ...QUEUE, gt: 1 });
  advance(1_000);
  line('Engine reset: guc_id=5');
  advance(NAMED_MS);
  assert.deepEqual(
    [await faults('engine_reset', 'train-0'), await faults('engine_reset', 'train-1')],
    [1, 0],
    'two GTs of two processes',
  );
});

test('lines that are missing, a source that died and a driver that went end all that was known', async (t) => {
  const { pipeline, device, client, owns, lose, line, faults, advance } = start(t);
  client(41, 'train-0');
  for (const end of [
    () => lose(),
    () => pipeline.sourceChanged('trace', 'down', 'gone'),
    () => pipeline.deviceRemoved(device),
  ]) {
    owns(41, QUEUE);
    advance(1_000);
    end();
    line(RESET);
    advance(NAMED_MS);
  }
  assert.deepEqual([await faults('engine_reset', 'train-0'), await faults('engine_reset', '_unattributed')], [0, 3]);
});

test('without the trace nothing waits', async (t) => {
  const { client, line, faults, logged } = start(t, { traced: false });
  client(41, 'train-0');
  line(RESET);
  assert.equal(logged.length, 1);
  assert.equal(await faults('engine_reset', '_unattributed'), 1);
});

test('a process that the line names needs no trace, and is believed before it', async (t) => {
  const { client, owns, line, faults, logged, advance } = start(t);
  client(41, 'train-0');
  client(42, 'train-1');
  owns(42, QUEUE);
  advance(1_000);
  line(`${TIMEOUT} in python3 [41]`);
  assert.equal(await faults('job_timeout', 'train-0'), 1);
  assert.equal(logged.length, 1);
  // One that the client table does not have.
  line(`${TIMEOUT} in python3 [43]`);
  advance(NAMED_MS);
  assert.deepEqual([await faults('job_timeout', 'train-1'), await faults('job_timeout', '_unattributed')], [0, 1]);
  assert.equal(logged[1]!.attributes[ATTRIBUTE.pid], 43);
});

test('a process without a client on the device is named in the log and counted for nobody', async (t) => {
  const { owns, line, faults, logged, advance } = start(t);
  owns(42, QUEUE);
  advance(1_000);
  line(RESET);
  advance(NAMED_MS);
  assert.equal(await faults('engine_reset', '_unattributed'), 1);
  assert.match(logged[0]!.body, /to stop a job of process python3 \(pid 42\)/);
});

test('what waits at the end is named with what is known', async (t) => {
  const { pipeline, client, owns, line, faults, logged } = start(t);
  client(41, 'train-0');
  line(RESET);
  owns(41, QUEUE, 1);
  await pipeline.close(100);
  assert.deepEqual([await faults('engine_reset', 'train-0'), logged.length], [1, 1]);
  assert.match(logged[0]!.body, /of pod ml\/train-0/);
});

test('a storm waits within bounds, and every fault counts once', async (t) => {
  const { client, owns, line, faults, read, advance } = start(t);
  client(41, 'train-0');
  owns(41, QUEUE);
  advance(1_000);
  for (let turn = 0; turn < 5_000; turn++) line(RESET);
  advance(NAMED_MS);
  const [named, nobodys] = [await faults('engine_reset', 'train-0'), await faults('engine_reset', '_unattributed')];
  assert.equal(named + nobodys, 5_000);
  assert.ok(named >= 4_096, `${named} named`);
  assert.equal((await read()).get('xe_engine_resets_total{pci_bdf="0000:03:00.0"}'), 5_000);
});

test('a VM that died outside a rebind is a fault of its client', async (t) => {
  const { pipeline, device, client, faults, now } = start(t);
  client(41, 'train-0');
  pipeline.handle(aKill({ pid: 41, comm: 'python3', drmClientId: 41 }, now(), { device, rebind: false }));
  pipeline.handle(aKill({ pid: 41, comm: 'python3', drmClientId: 41 }, now(), { device, rebind: true }));
  assert.equal(await faults('vm_kill', 'train-0'), 1);
});

test('a coredump whose head names a process is that of its pod', (t) => {
  const { pipeline, device, client, logged, now } = start(t);
  client(41, 'train-0');
  const uevent = aUevent(['add', 'devcoredump', '/devices/virtual/devcoredump/devcd3'], [], now(), device);
  pipeline.handle({ ...uevent, details: { [ATTRIBUTE.pid]: 41, [ATTRIBUTE.executable]: 'python3' } } as typeof uevent);
  assert.match(logged[0]!.body, /a coredump after a job of container main of pod ml\/train-0 hung on GPU/);
  assert.equal(logged[0]!.attributes[ATTRIBUTE.k8sPod], 'train-0');
});
