import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import type { MemorySnapshot } from '../../../exporter/host/memory.js';
import type { PipelineOptions } from '../../../exporter/pipeline/pipeline.js';
import type { LogRecord } from '../../../exporter/pipeline/log/log-record.js';
import { EVENT, EVENT_METRIC } from '../../../exporter/events/index.js';
import { ATTRIBUTE, METRIC, type SourceName } from '../../../exporter/names.js';
import { encodeVmError } from '../../../exporter/wire/watch-notification.js';
import { aBatch } from '../../helpers/batches.js';
import { aClient, aDevice, aWorkload } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';
import { manualClock } from '../../helpers/manual-clock.js';
import { aKill, aLine, aUevent } from '../../helpers/messages.js';
import { recordedPipeline } from '../../helpers/recorded-pipeline.js';

const BDF = 'pci_bdf="0000:03:00.0"';
const ERROR_LINE = 'VM worker error: -12';
const CARD = '/devices/pci0000:00/0000:00:01.0/0000:03:00.0/drm/card0';

/** The whole way from what three sources read to what is exposed and logged, over a clock of its own. */
function start(t: TestContext, options: Partial<PipelineOptions> = {}) {
  const { now: epoch, advance } = manualClock(t);
  const boot = epoch() - 1_000;
  const now = () => epoch() - boot;
  const recorded = recordedPipeline(['watch_queue', 'trace', 'kmsg', 'uevent'], {
    now,
    outcomeWindowMs: 60_000,
    ...options,
  });
  const { metrics, prometheus, pipeline, records: logged } = recorded;
  const clients = new ClientTable(100);
  clients.subscribe({ added: ({ client }) => prometheus.clientDiscovered(client) });
  for (const listener of pipeline.clientListeners) clients.subscribe(listener);
  const device = aDevice();
  metrics.devices.deviceDiscovered(device);
  pipeline.deviceAdded(device);
  const open = (pid: number, pod: string) =>
    clients.add(aClient({ drmClientId: pid, device, process: { pid }, workload: aWorkload({ pod }) }), [])!;
  const read = async () => {
    const series = parseExposition(await metrics.registry.render('text'));
    const of = (name: string, labels: string) => series.get(`${name}{${labels}}`);
    const sumOf = (name: string, having: string) =>
      [...series].reduce((sum, [key, value]) => sum + (key.startsWith(name) && key.includes(having) ? value : 0), 0);
    return {
      of,
      errors: of(METRIC.vmRebindErrors, `${BDF},errno="ENOMEM"`),
      byClient: sumOf(METRIC.clientVmRebindErrors, BDF),
      byPod: (pod: string) => sumOf(METRIC.clientVmRebindErrors, `k8s_pod_name="${pod}"`),
      outcomes: sumOf(METRIC.vmRebindOomOutcomes, BDF),
      deduplicated: (source: SourceName) => of(METRIC.eventsDeduplicated, `source="${source}"`),
      unattributed: (reason: string) => of(METRIC.eventsUnattributed, `reason="${reason}"`),
    };
  };
  const line = (message: string) => pipeline.handle(aLine(message, now(), device));
  const watch = (entry: ReturnType<typeof open>) =>
    pipeline.handle(aBatch(encodeVmError(0, 5, -12), [entry.client], { monotonicNs: BigInt(now()) * 1_000_000n }));
  /** The trace names the process of a client, and the client where the kernel can. */
  const trace = (pid: number | undefined, { id, rebind = true }: { id?: number; rebind?: boolean } = {}) =>
    pipeline.handle(
      aKill(pid === undefined ? undefined : { pid, comm: 'kernel-name', drmClientId: id }, now(), { device, rebind }),
    );
  const wedged = () =>
    pipeline.handle(aUevent(['change', 'drm', CARD], ['DEVNAME=dri/card0', 'WEDGED=rebind,bus-reset'], now(), device));
  /** Names of what was logged since the last call. */
  const heard = () => logged.splice(0).map(({ eventName }) => eventName);
  return { pipeline, metrics, clients, device, logged, heard, open, read, line, watch, trace, wedged, now, advance };
}

test('a line alone counts for its device at once, and for nobody when the wait is over', async (t) => {
  const { open, line, read, logged, advance } = start(t);
  open(1, 'train-0');
  line(ERROR_LINE);
  const before = await read();
  assert.deepEqual([before.errors, before.byClient, logged.length], [1, 0, 0]);
  advance(3_000);
  const after = await read();
  assert.deepEqual([after.errors, after.byClient, after.byPod('_unattributed')], [1, 1, 1]);
  assert.equal(after.byPod('train-0'), 0, 'a metric never guesses');
  assert.equal(after.unattributed('no_pid'), 1);
  assert.equal(after.outcomes, 1, 'its outcome is unknown');
  const [error, outcome] = logged;
  assert.match(error!.body, /^Probably container main of pod ml\/train-0 lost a GPU VM on 0000:03:00\.0 \(ENOMEM\): /);
  assert.equal(error!.attributes[ATTRIBUTE.victimInferred], true);
  assert.equal(error!.attributes[ATTRIBUTE.victimEvidence], 'only_client');
  assert.equal(ATTRIBUTE.vmId in error!.attributes, false);
  assert.equal(outcome!.attributes[ATTRIBUTE.eventOutcome], 'unknown');
  assert.match(outcome!.body, /^An unknown process lost a GPU VM/);
});

for (const order of ['line', 'watch'] as const) {
  test(`a failure that both tell of counts once, for the client that the watch names, the ${order} first`, async (t) => {
    const { open, line, watch, read, logged, advance } = start(t);
    const victim = open(1, 'train-0');
    open(2, 'train-1');
    if (order === 'line') line(ERROR_LINE);
    watch(victim);
    if (order === 'watch') line(ERROR_LINE);
    advance(30_000);
    const { errors, byClient, byPod, deduplicated, unattributed } = await read();
    assert.deepEqual([errors, byClient, byPod('train-0')], [1, 1, 1]);
    assert.equal(deduplicated(order === 'line' ? 'watch_queue' : 'kmsg'), 1);
    assert.equal(unattributed('no_pid'), 0);
    assert.equal(logged.length, 1);
    assert.match(logged[0]!.body, /^Container main of pod ml\/train-0 lost GPU VM 5 on/);
    assert.equal(ATTRIBUTE.victimInferred in logged[0]!.attributes, false);
    advance(30_000);
    assert.equal((await read()).of(METRIC.vmRebindOomOutcomes, `${BDF},outcome="survived"`), 1);
  });
}

for (const order of ['line', 'trace'] as const) {
  for (const id of [1, undefined]) {
    const by = id === undefined ? 'process' : 'client';
    test(`the trace names the victim by its ${by}, exactly, the ${order} first`, async (t) => {
      const { open, line, trace, read, logged, advance } = start(t);
      open(1, 'train-0');
      open(2, 'train-1');
      if (order === 'line') line(ERROR_LINE);
      trace(1, { ...(id && { id }) });
      if (order === 'trace') line(ERROR_LINE);
      const { errors, byClient, byPod, unattributed } = await read();
      assert.deepEqual([errors, byClient, byPod('train-0')], [1, 1, 1], 'at once');
      assert.equal(unattributed('no_pid'), 0);
      advance(30_000);
      assert.equal(logged.length, 1);
      const [{ body, attributes }] = logged as [LogRecord];
      assert.match(body, /^Container main of pod ml\/train-0 lost a GPU VM on 0000:03:00\.0 \(ENOMEM\): /);
      assert.equal(attributes[ATTRIBUTE.victimEvidence], 'kernel_trace');
      assert.equal(ATTRIBUTE.victimInferred in attributes, false);
      assert.deepEqual([attributes[ATTRIBUTE.pid], attributes[ATTRIBUTE.executable]], [1, 'python3']);
      advance(30_000);
      assert.equal((await read()).of(METRIC.vmRebindOomOutcomes, `${BDF},outcome="survived"`), 1);
    });
  }
}

test('the trace names a process that has just gone', async (t) => {
  const { open, clients, line, trace, read, advance } = start(t);
  const entry = open(1, 'train-0');
  clients.remove(entry);
  advance(10_000);
  line(ERROR_LINE);
  trace(1, { id: 1 });
  assert.equal((await read()).byPod('train-0'), 1);
});

test('a process that the trace names and nobody knows is named, and counts for nobody', async (t) => {
  const { open, line, trace, read, logged, advance } = start(t);
  open(2, 'train-1');
  line(ERROR_LINE);
  trace(1, { id: 1 });
  advance(3_000);
  const { errors, byPod, unattributed } = await read();
  assert.deepEqual([errors, byPod('_unattributed'), byPod('train-1')], [1, 1, 0]);
  assert.equal(unattributed('client_gone'), 1);
  assert.match(logged[0]!.body, /^Process kernel-name \(pid 1\) lost a GPU VM/);
  assert.equal(logged[0]!.attributes[ATTRIBUTE.drmClientId], 1);
});

test('a process that is found while its error waits is named at once', async (t) => {
  const { open, line, trace, read } = start(t);
  line(ERROR_LINE);
  trace(1, { id: 1 });
  assert.equal((await read()).byPod('train-0'), 0);
  open(1, 'train-0');
  assert.equal((await read()).byPod('train-0'), 1);
});

test('the trace alone is an incident without an error code', async (t) => {
  const { open, trace, read, logged, advance } = start(t);
  open(1, 'train-0');
  trace(1, { id: 1 });
  advance(2_000);
  const { of, byPod } = await read();
  assert.deepEqual([of(METRIC.vmRebindErrors, `${BDF},errno="other"`), byPod('train-0')], [1, 1]);
  const [{ body, attributes }] = logged as [LogRecord];
  assert.match(body, /train-0 lost a GPU VM on 0000:03:00\.0: the driver could not rebind it, most likely/);
  assert.equal(attributes[ATTRIBUTE.errorType], '_OTHER');
  assert.equal(ATTRIBUTE.vmErrno in attributes, false);
});

test('a VM that died outside a rebind is another event, and no rebind error', async (t) => {
  const { open, trace, read, logged, line, advance } = start(t);
  open(1, 'train-0');
  trace(1, { id: 1, rebind: false });
  line(ERROR_LINE);
  advance(3_000);
  assert.deepEqual(
    logged.map(({ eventName }) => eventName),
    [EVENT.vmKilled, EVENT.vmRebindError, EVENT.vmRebindOutcome],
  );
  assert.match(
    logged[0]!.body,
    /^Container main of pod ml\/train-0 lost a GPU VM on 0000:03:00\.0: the driver could not update a page table/,
  );
  assert.equal((await read()).errors, 1);
});

test('a private process stays private though the trace names it', async (t) => {
  const { trace, logged, advance } = start(t, { includeProcess: false });
  trace(1, { id: 1 });
  advance(2_000);
  assert.match(logged[0]!.body, /^An unknown process lost/);
  assert.equal(ATTRIBUTE.executable in logged[0]!.attributes, false);
});

test('a job that did not end is put down to its process, and is evidence', async (t) => {
  const { open, line, read, logged, advance } = start(t);
  open(1, 'train-0');
  open(2, 'train-1');
  line(ERROR_LINE);
  line('GT0: Timedout job: seqno=4, lrc_seqno=4, guc_id=2, flags=0x0 in python3 [2]');
  line('GT0: Timedout job: seqno=4, lrc_seqno=4, guc_id=2, flags=0x0 in no process [-1]');
  assert.equal(logged[0]!.attributes[ATTRIBUTE.k8sPod], 'train-1');
  assert.equal(ATTRIBUTE.k8sPod in logged[1]!.attributes, false);
  advance(3_000);
  assert.equal(logged[2]!.attributes[ATTRIBUTE.victimEvidence], 'job_timeout');
  assert.equal(logged[2]!.attributes[ATTRIBUTE.k8sPod], 'train-1');
  const { of, unattributed } = await read();
  assert.equal(of(EVENT_METRIC.jobTimeout, BDF), 2);
  assert.equal(unattributed('no_pid'), 2);
});

for (const rebind of ['uevent', 'device table'] as const) {
  test(`a wedged device shows, and clears on a rebind told by the ${rebind}`, async (t) => {
    const { pipeline, metrics, device, line, wedged, read, heard, now, advance } = start(t);
    const message = 'CRITICAL: Xe has declared device 0000:03:00.0 as wedged.';
    const state = async () => {
      const { of } = await read();
      return [of(METRIC.deviceWedged, BDF), of(EVENT_METRIC.deviceWedged, BDF)];
    };
    line(message);
    assert.deepEqual(await state(), [1, 1]);
    wedged();
    wedged();
    advance(60_000);
    wedged();
    assert.deepEqual(await state(), [1, 1]);
    // The change of health does not wait for the uevent that says how to recover.
    assert.deepEqual(heard(), [EVENT.deviceHealthChanged, EVENT.deviceWedged]);
    if (rebind === 'uevent') {
      pipeline.handle(aUevent(['bind', 'pci', '/devices/pci0000:00/0000:03:00.0'], ['DRIVER=xe'], now(), device));
    } else {
      pipeline.deviceRemoved(device);
      pipeline.deviceAdded(aDevice({ binding: 2 }));
    }
    metrics.devices.deviceDiscovered(aDevice({ binding: 2 }));
    assert.deepEqual(await state(), [0, 1]);
    advance(1);
    wedged();
    line(message);
    assert.deepEqual(await state(), [1, 2]);
  });
}

test('the memory is read in the turn of the line, and is in its log event', async (t) => {
  const memory: MemorySnapshot = {
    device: aDevice(),
    realtimeNs: 0n,
    ageMs: 0,
    regions: [],
    clients: [],
    everyClient: false,
    evictedFor: [],
  };
  const asked: string[] = [];
  const snapshot = async ({ pciBdf }: { pciBdf: string }) => {
    asked.push(pciBdf);
    return memory;
  };
  const { line, watch, open, heard, read, advance } = start(t, { snapshot });
  line(ERROR_LINE);
  assert.deepEqual(asked, ['0000:03:00.0']);
  await setImmediate();
  advance(3_000);
  assert.deepEqual(heard(), [EVENT.vmRebindError, EVENT.vmRebindOutcome]);
  watch(open(1, 'train-0'));
  assert.equal((await read()).errors, 1, 'that was the report of the line; a late watch adds nothing');
  advance(20_000);
  watch(open(2, 'train-0'));
  assert.deepEqual(heard(), []);
  await setImmediate();
  assert.equal((await read()).errors, 2);
  assert.deepEqual(heard(), [EVENT.vmRebindError]);
  assert.equal(asked.length, 2);
});

test('the close decides and logs everything that is open', async (t) => {
  const { pipeline, open, line, read, heard, advance } = start(t, { snapshot: () => new Promise(() => undefined) });
  open(1, 'train-0');
  for (let error = 0; error < 3; error++) line(ERROR_LINE);
  await pipeline.close(10);
  const { errors, byClient, outcomes, unattributed } = await read();
  assert.deepEqual([errors, byClient, outcomes, unattributed('no_pid')], [3, 3, 3, 3]);
  assert.deepEqual(heard().toSorted(), [
    ...Array.from({ length: 3 }, () => EVENT.vmRebindError),
    ...Array.from({ length: 3 }, () => EVENT.vmRebindOutcome),
  ]);
  advance(20_000);
  assert.deepEqual(heard(), []);
});
