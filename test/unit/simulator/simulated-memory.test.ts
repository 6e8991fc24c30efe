import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import type { ClientRegionMemory, RegionMemory } from '../../../exporter/host/memory.js';
import type { MemoryItem, MemoryResult } from '../../../exporter/memory/memory-reader.js';
import { SimulatedMemory } from '../../../exporter/simulator/simulated-memory.js';
import { aClient, aDevice } from '../../helpers/events.js';
import { GIB } from '../../helpers/memory-reader.js';

function start() {
  const memory = new SimulatedMemory();
  const device = aDevice();
  const table = new ClientTable(10);
  const arrive = (drmClientId: number, bytes: number) => {
    const entry = table.add(aClient({ drmClientId, device }), [])!;
    memory.arrive(entry.client, bytes);
    return entry;
  };
  const ask = (item: MemoryItem): Promise<MemoryResult> =>
    new Promise((resolve) => {
      memory.read(device, [item], { onResult: (_, result) => resolve(result), onEnd: () => undefined });
    });
  return {
    memory,
    arrive,
    used: async () => ((await ask('regions')) as readonly RegionMemory[])[0]!.usedBytes!,
    held: async (item: MemoryItem) => ((await ask(item)) as readonly ClientRegionMemory[])[0]!.residentBytes,
  };
}

test('jobs grow until the GPU is full, and never beyond', async () => {
  const { memory, arrive, used, held } = start();
  const [a, b] = [arrive(1, 5 * GIB), arrive(2, 3 * GIB)];
  const before = await used();
  for (let second = 0; second < 60; second++) {
    memory.grow(1_000);
    assert.ok((await used()) <= 12 * GIB);
  }
  assert.ok(before < 9 * GIB && (await used()) > 11.9 * GIB);
  assert.ok((await held(a)) > 5 * GIB && (await held(b)) > 3 * GIB);
});

test('who runs out has all there was, for a moment; who comes then gets its share later', async () => {
  const { memory, arrive, used, held } = start();
  const victim = arrive(1, 5 * GIB);
  memory.runOut(victim.client);
  assert.equal(await used(), 12 * GIB);
  const late = arrive(2, 3 * GIB);
  assert.equal(await held(late), 0);
  memory.grow(500);
  assert.equal(await used(), 12 * GIB);
  memory.grow(600);
  memory.grow(20);
  assert.ok((await held(victim)) < 5.1 * GIB);
  assert.ok((await held(late)) >= 3 * GIB && (await held(late)) < 3.1 * GIB);
});

test('who left is remembered for a moment, because its error may not have been read yet', async () => {
  const { memory, arrive, held } = start();
  const victim = arrive(1, 2 * GIB);
  memory.leave(victim.client);
  assert.equal(await held(victim), 2 * GIB);
  memory.grow(1_000);
  assert.equal(await held(victim), 0);
});
