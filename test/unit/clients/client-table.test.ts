import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientTable, type ClientEntry } from '../../../exporter/clients/client-table.js';
import type { DrmFd } from '../../../exporter/native/binding.js';
import { aClient, aDevice } from '../../helpers/events.js';

const device = aDevice();
const fd: DrmFd = { pid: 4711, fd: 5, minor: 128, startTime: 1n, comm: 'app' };

function start(limit = 10) {
  const table = new ClientTable(limit);
  const log: string[] = [];
  table.subscribe({
    added: ({ client }) => log.push(`+${client.drmClientId}`),
    removed: ({ client }) => log.push(`-${client.drmClientId}`),
    suspected: ({ client }) => log.push(`?${client.drmClientId}`),
    reconciled: () => log.push('look'),
    countsChanged: (_device, { present, watched }) => log.push(`${watched}/${present}`),
  });
  const add = (drmClientId: number): ClientEntry => {
    const entry = table.add(aClient({ drmClientId, device }), [fd]);
    assert.ok(entry);
    return entry;
  };
  const look = (...ids: number[]) => table.reconcile(new Map(ids.map((id) => [id, [fd]])));
  const take = () => log.splice(0);
  return { table, add, look, take };
}

test('a client comes, is watched, and goes', () => {
  const { table, add, take } = start();
  const entry = add(1);
  assert.deepEqual(take(), ['0/1', '+1']);
  table.setWatched(entry, true);
  table.setWatched(entry, true);
  assert.deepEqual(take(), ['1/1']);
  assert.deepEqual(table.counts(device), { present: 1, watched: 1 });
  table.remove(entry);
  assert.deepEqual(take(), ['0/1', '0/0', '-1']);
  assert.equal(table.get(1), undefined);
  assert.deepEqual(table.counts(device), { present: 0, watched: 0 });
});

test('what is gone is gone: later words about it change nothing', () => {
  const { table, add, take } = start();
  const old = add(1);
  table.remove(old);
  const anew = add(1);
  take();
  table.remove(old);
  table.setWatched(old, true);
  assert.deepEqual(take(), []);
  assert.equal(table.get(1), anew);
  assert.equal(anew.watched, false);
});

test('a full table refuses, and takes the next one when somebody left', () => {
  const { table, add } = start(2);
  const first = add(1);
  add(2);
  assert.ok(table.full);
  assert.equal(table.add(aClient({ drmClientId: 3, device }), [fd]), undefined);
  assert.deepEqual(table.counts(device), { present: 2, watched: 0 });
  table.remove(first);
  add(3);
});

test('an unwatched client without holders is gone at once', () => {
  const { add, look, take } = start();
  add(1);
  add(2);
  take();
  look(2);
  assert.deepEqual(take(), ['0/1', '-1', 'look']);
});

test('a watched client without holders stays: its removal notice will come', () => {
  const { table, add, look } = start();
  const entry = add(1);
  table.setWatched(entry, true);
  for (let i = 0; i < 10; i++) look();
  assert.equal(table.get(1), entry);
  assert.deepEqual(entry.holders, []);
});

test('when its removal notice may be lost, the second look without it is the end', () => {
  const { table, add, look } = start();
  const entry = add(1);
  table.setWatched(entry, true);
  // Seen by nobody long before: that proves nothing about the time after the loss.
  look();
  look();
  table.suspect(entry);
  look();
  assert.equal(table.get(1), entry);
  look();
  assert.equal(table.get(1), undefined);
});

test('a second loss does not start the count anew', () => {
  const { table, add, look } = start();
  const entry = add(1);
  table.setWatched(entry, true);
  table.suspect(entry);
  look();
  table.suspect(entry);
  look();
  assert.equal(table.get(1), undefined);
});

test('being seen once clears the suspicion', () => {
  const { table, add, look } = start();
  const entry = add(1);
  table.setWatched(entry, true);
  table.suspect(entry);
  look();
  look(1);
  for (let i = 0; i < 5; i++) look();
  assert.equal(table.get(1), entry);
});

test('a client whose fd was seen and not asked is neither present nor absent', () => {
  const { table, add } = start();
  const watched = add(1);
  table.setWatched(watched, true);
  table.suspect(watched);
  const unwatched = add(2);
  for (let i = 0; i < 5; i++) table.reconcile(new Map(), new Set([1, 2]));
  assert.equal(table.get(1), watched);
  assert.equal(table.get(2), unwatched);
  assert.equal(watched.removalMayBeLost, true, 'still in doubt');
});

test('counts are per device and leave nothing behind', () => {
  const { table } = start();
  const other = aDevice({ pciBdf: '0000:04:00.0' });
  const a = table.add(aClient({ drmClientId: 1, device }), [fd])!;
  const b = table.add(aClient({ drmClientId: 2, device: other }), [fd])!;
  table.setWatched(b, true);
  assert.deepEqual(
    [table.counts(device), table.counts(other)],
    [
      { present: 1, watched: 0 },
      { present: 1, watched: 1 },
    ],
  );
  table.remove(a);
  table.remove(b);
  assert.deepEqual(
    [table.counts(device), table.counts(other)],
    [
      { present: 0, watched: 0 },
      { present: 0, watched: 0 },
    ],
  );
});

test('a listener may remove clients during a look', () => {
  const { table, add } = start();
  const [first, second] = [add(1), add(2)];
  table.subscribe({ removed: (entry) => entry === first && table.remove(second) });
  table.reconcile(new Map());
  assert.deepEqual([...table.entries()], []);
});
