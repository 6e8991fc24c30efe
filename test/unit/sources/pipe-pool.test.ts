import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientEntry } from '../../../exporter/clients/client-table.js';
import type { NativeReader, NativeResult } from '../../../exporter/native/binding.js';
import { PipePool, type WatchSlot } from '../../../exporter/sources/watch-queue/pipe-pool.js';
import { aClient } from '../../helpers/events.js';

function start({ openResults = [] as NativeResult[] } = {}) {
  const filters: [number, number[]][] = [];
  let opened = 0;
  const reader = {
    open: () => openResults.shift() ?? opened++,
    setFilter: (pipe: number, filter: Uint32Array) => void filters.push([pipe, [...filter]]),
  } as unknown as NativeReader;
  const pool = new PipePool(reader, Uint32Array.of(2, 1));
  const take = (drmClientId = 1): WatchSlot => {
    const slot = pool.acquire(anEntry(drmClientId));
    assert.ok(!('errno' in slot), 'there is an id');
    return slot;
  };
  return { pool, take, filters };
}

function anEntry(drmClientId: number): ClientEntry {
  return { client: aClient({ drmClientId }), holders: [], watched: false, removalMayBeLost: false, absences: 0 };
}

test('the first pipe is opened for the first id, sized and filtered', () => {
  const { pool, take, filters } = start();
  const slot = take();
  assert.deepEqual([slot.pipe, slot.watchId, slot.state], [0, 0, 'attaching']);
  assert.equal(pool.size, 1);
  assert.deepEqual(filters, [[0, [2, 1]]]);
});

test('an id stands for its client from the moment it is taken until it is released', () => {
  const { pool, take } = start();
  const slot = take(7);
  assert.equal(pool.owners(0)[slot.watchId], slot.entry.client);
  assert.equal(pool.slot(0, slot.watchId), slot);
  assert.equal(pool.slotOf(slot.entry), slot);
  assert.deepEqual([...pool.entriesOf(0)], [slot.entry]);
  pool.release(slot);
  assert.equal(pool.owners(0)[slot.watchId], undefined);
  assert.equal(pool.slot(0, slot.watchId), undefined);
  assert.equal(pool.slotOf(slot.entry), undefined);
  assert.deepEqual([...pool.entriesOf(0)], []);
});

test('256 ids a pipe, then another pipe', () => {
  const { pool, take } = start();
  const slots = Array.from({ length: 600 }, (_, id) => take(id));
  assert.equal(pool.size, 3);
  assert.equal(new Set(slots.map(({ pipe, watchId }) => `${pipe}/${watchId}`)).size, 600);
  assert.deepEqual([slots[255]?.pipe, slots[256]?.pipe, slots[512]?.pipe], [0, 1, 2]);
});

test('an id rests as long as possible, and no pipe is opened while one has ids', () => {
  const { pool, take } = start();
  pool.release(take(1));
  assert.equal(take(2).watchId, 1, 'not the one that was just released');
  const slots = Array.from({ length: 255 }, (_, id) => take(id));
  assert.equal(slots.at(-1)?.watchId, 0);
  assert.equal(pool.size, 1);
});

test('releasing twice, or after the id went to another, releases nothing', () => {
  const { pool, take } = start();
  const slot = take(1);
  pool.release(slot);
  pool.release(slot);
  const slots = Array.from({ length: 256 }, (_, id) => take(100 + id));
  assert.equal(new Set(slots.map(({ watchId }) => watchId)).size, 256, 'no id was free twice');
  const heir = slots.find(({ watchId }) => watchId === slot.watchId)!;
  pool.release(slot);
  assert.equal(pool.slot(0, slot.watchId), heir);
});

test('a refused pipe is said and leaves nothing; the next attempt is fresh', () => {
  const { pool, take } = start({ openResults: [{ operation: 'pipe2', errno: 24 }] });
  assert.deepEqual(pool.acquire(anEntry(1)), { operation: 'pipe2', errno: 24 });
  assert.equal(pool.size, 0);
  assert.equal(take().pipe, 0);
});

test('a new filter reaches the pipes there are and those to come', () => {
  const { pool, take, filters } = start();
  Array.from({ length: 257 }, () => take());
  filters.length = 0;
  assert.equal(pool.setFilter(Uint32Array.of(2, 0)), undefined);
  Array.from({ length: 256 }, () => take());
  assert.deepEqual(filters, [
    [0, [2, 0]],
    [1, [2, 0]],
    [2, [2, 0]],
  ]);
});

test('a pipe that is not ours has nobody', () => {
  const { pool } = start();
  assert.deepEqual(pool.owners(5), []);
  assert.equal(pool.slot(5, 0), undefined);
  assert.deepEqual([...pool.entriesOf(5)], []);
});
