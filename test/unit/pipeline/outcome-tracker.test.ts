import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ClientTable, type ClientEntry } from '../../../exporter/clients/client-table.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { eventsLost } from '../../../exporter/events/definitions/events-lost.js';
import { OutcomeTracker } from '../../../exporter/pipeline/outcomes/outcome-tracker.js';
import { toLogRecord } from '../../../exporter/pipeline/log/log-record.js';
import { aClient, aDevice, anEvent, aWorkload } from '../../helpers/events.js';
import { manualClock } from '../../helpers/manual-clock.js';

const WINDOW = 60_000;

function start(t: TestContext, maxPending = 4096) {
  const { now, advance } = manualClock(t);
  const published: DeviceEvent[] = [];
  const tracker = new OutcomeTracker({
    windowMs: WINDOW,
    maxPending,
    now,
    // The errors themselves pass through.
    next: (event) => void (event.outcome !== undefined && published.push(event)),
  });
  t.after(() => tracker.close());
  const table = new ClientTable(10_000);
  table.subscribe(tracker);
  const device = aDevice();
  let sequence = 0;
  const arrive = (drmClientId: number): ClientEntry =>
    table.add(aClient({ drmClientId, device, workload: aWorkload() }), [])!;
  const err = (entry: ClientEntry | undefined, code = -12) =>
    tracker.accept(anEvent({ client: entry?.client, device: entry && device, errorCode: code, sequence: ++sequence }));
  /** What was decided since the last call, as `sequence outcome`. */
  const take = () => published.splice(0).map(({ sequence, outcome }) => `${sequence} ${outcome}`);
  return { tracker, table, device, advance, arrive, err, take, published };
}

test('a client that is still open at the end of the window survived', (t) => {
  const { tracker, arrive, err, take, advance } = start(t);
  err(arrive(1));
  advance(WINDOW - 1);
  assert.deepEqual(take(), []);
  assert.equal(tracker.pending, 1);
  advance(1);
  assert.deepEqual(take(), ['1 survived']);
  assert.equal(tracker.pending, 0);
});

test('a client that closes exited, once', (t) => {
  const { table, arrive, err, take, advance } = start(t);
  const entry = arrive(1);
  err(entry, -28);
  table.remove(entry);
  assert.deepEqual(take(), ['1 exited']);
  advance(2 * WINDOW);
  assert.deepEqual(take(), []);
});

test('an error decides the one before it; only an OOM opens a window', (t) => {
  const { arrive, err, take, advance } = start(t);
  const entry = arrive(1);
  err(entry);
  advance(50_000);
  err(entry);
  assert.deepEqual(take(), ['1 repeated']);
  advance(50_000);
  assert.deepEqual(take(), [], 'the second has a window of its own');
  err(entry, -62);
  assert.deepEqual(take(), ['2 repeated']);
  advance(2 * WINDOW);
  assert.deepEqual(take(), [], 'a time-out is no OOM');
});

test('one timer serves them all, each at its own time', (t) => {
  const { arrive, err, take, advance, table } = start(t);
  const entries = [1, 2, 3].map(arrive);
  for (const entry of entries) {
    err(entry);
    advance(10_000);
  }
  table.remove(entries[0]!); // What the timer was set for is decided before it fires.
  assert.deepEqual(take(), ['1 exited']);
  advance(30_000);
  assert.deepEqual(take(), []);
  advance(10_000);
  assert.deepEqual(take(), ['2 survived']);
  advance(10_000);
  assert.deepEqual(take(), ['3 survived']);
  err(entries[1]);
  advance(WINDOW);
  assert.deepEqual(take(), ['4 survived'], 'the timer starts again after all was decided');
});

test('an error of nobody, or of a client that was given up, is unknown at once', (t) => {
  const { tracker, table, arrive, err, take } = start(t);
  const entry = arrive(1);
  table.remove(entry);
  err(undefined);
  err(entry);
  err(undefined, -62);
  assert.deepEqual(take(), ['1 unknown', '2 unknown']);
  assert.equal(tracker.pending, 0);
});

test('after a loss a client is not known to have survived, until it was seen again', (t) => {
  const { table, arrive, err, take, advance } = start(t);
  const [doubtful, seen] = [arrive(1), arrive(2)];
  for (const entry of [doubtful, seen]) {
    table.setWatched(entry, true);
    err(entry);
    table.suspect(entry);
  }
  table.reconcile(new Map([[2, [{ pid: 1, fd: 3, minor: 128, startTime: 1n, comm: 'app' }]]]));
  advance(WINDOW);
  assert.deepEqual(take(), ['1 unknown', '2 survived']);
});

test('a client that is found gone after a loss exited', (t) => {
  const { table, arrive, err, take } = start(t);
  const entry = arrive(1);
  table.setWatched(entry, true);
  err(entry);
  table.suspect(entry);
  table.reconcile(new Map());
  table.reconcile(new Map());
  assert.deepEqual(take(), ['1 exited']);
});

test('the unbinding of a device decides for its clients and for no other', (t) => {
  const { tracker, table, device, arrive, err, take, advance } = start(t);
  const entry = arrive(1);
  const other = aDevice({ pciBdf: '0000:04:00.0' });
  const elsewhere = table.add(aClient({ drmClientId: 2, device: other }), [])!;
  err(entry);
  tracker.accept(anEvent({ client: elsewhere.client, sequence: 9 }));
  tracker.deviceRemoved(device);
  table.remove(entry);
  assert.deepEqual(take(), ['1 unknown']);
  advance(WINDOW);
  assert.deepEqual(take(), ['9 survived']);
});

test('more clients than the bound are unknown at once, and room is used again', (t) => {
  const { tracker, table, arrive, err, take } = start(t, 2);
  const entries = [1, 2, 3, 4].map(arrive);
  for (const entry of entries.slice(0, 3)) err(entry);
  assert.deepEqual(take(), ['3 unknown']);
  assert.equal(tracker.pending, 2);
  table.remove(entries[0]!);
  err(entries[3]);
  assert.deepEqual(take(), ['1 exited']);
  assert.equal(tracker.pending, 2);
});

test('when the exporter stops, open outcomes are unknown, and so is what comes later', (t) => {
  const { tracker, arrive, err, take, advance } = start(t);
  const entry = arrive(1);
  err(entry);
  tracker.close();
  tracker.close();
  assert.deepEqual(take(), ['1 unknown']);
  err(entry);
  assert.deepEqual(take(), ['2 unknown']);
  advance(2 * WINDOW);
  assert.deepEqual(take(), []);
});

test('other events mean nothing, and an outcome does not lead to another', (t) => {
  const { tracker, arrive, err, take, published } = start(t);
  const entry = arrive(1);
  tracker.accept(anEvent({ definition: eventsLost, client: undefined, errorCode: -12 }));
  err(entry);
  err(entry);
  tracker.accept(published[0]!);
  assert.deepEqual(take(), ['1 repeated', '1 repeated'], 'it only passes through');
});

test('an outcome is linked to its event: same id, victim and numbers, but the time of the decision', (t) => {
  const { tracker, table, arrive, published, advance } = start(t);
  const entry = arrive(1);
  const event = anEvent({ client: entry.client, sequence: 17 });
  tracker.accept(event);
  advance(20_000);
  table.remove(entry);
  const options = { instanceId: 'i', includeProcess: true };
  const [before, after] = [event, published[0]!].map((one) => toLogRecord(one, options));
  assert.equal(after?.eventName, 'xe.vm.rebind_error.outcome');
  assert.equal(after.timestampNs, 1_769_860_820_000_000_000n);
  const { 'error.type': _error, ...linked } = before!.attributes;
  assert.deepEqual(after.attributes, { ...linked, 'xe.event.outcome': 'exited' });
  assert.equal(linked['xe.event.id'], 'i-17');
});

test('a repetition is decided when the error behind it was read', (t) => {
  const { tracker, arrive, published } = start(t);
  const { client } = arrive(1);
  tracker.accept(anEvent({ client }));
  tracker.accept(anEvent({ client, realtimeNs: 5_000_000_000n, monotonicNs: 7n }));
  assert.deepEqual([published[0]?.realtimeNs, published[0]?.monotonicNs], [5_000_000_000n, 7n]);
});

test('outcomes and what is pending are the OOMs, whatever happens in whatever order', (t) => {
  const { tracker, table, device, arrive, err, advance, published } = start(t, 5);
  let state = 42;
  const random = (below: number) => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  let ooms = 0;
  let nextId = 1;
  for (let step = 0; step < 20_000; step++) {
    const entries = [...table.entries()];
    const entry = entries[random(entries.length + 1)];
    const dice = random(100);
    if (dice < 10) arrive(nextId++);
    else if (dice < 60) {
      const code = [-12, -28, -62, -16][random(4)]!;
      if (code === -12 || code === -28) ooms++;
      err(entry, code);
    } else if (dice < 75 && entry) table.remove(entry);
    else if (dice < 85 && entry) table.suspect(entry);
    else if (dice < 86) tracker.deviceRemoved(device);
    else advance(random(20_000));
    assert.equal(published.length + tracker.pending, ooms, `step ${step}`);
    assert.ok(tracker.pending <= 5);
  }
  assert.deepEqual(
    new Set(published.map(({ outcome }) => outcome)),
    new Set(['exited', 'repeated', 'survived', 'unknown']),
  );
});

test('a flood of one client grows nothing', (t) => {
  const { now } = manualClock(t);
  let repeated = 0;
  const tracker = new OutcomeTracker({
    windowMs: WINDOW,
    now,
    next: ({ outcome }) => void (outcome !== undefined && repeated++),
  });
  t.after(() => tracker.close());
  const client = aClient();
  tracker.added({ client, removalMayBeLost: false });
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const flood = (events: number) => {
    for (let sequence = 0; sequence < events; sequence++) tracker.accept(anEvent({ client, sequence }));
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = flood(1_000);
  const grown = flood(100_000) - before;
  assert.equal(repeated, 100_999);
  assert.equal(tracker.pending, 1);
  assert.ok(grown < 256 * 1024, `heap grew by ${grown} bytes`);
});
