import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClientTable, type ClientEntry } from '../../exporter/clients/client-table.js';
import { SimulatedNode } from '../../exporter/sources/simulator/simulated-node.js';

function start(t: TestContext, post: (entry: ClientEntry, bytes: Uint8Array) => void) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const clients = new ClientTable(1000);
  clients.subscribe({ added: (entry) => queueMicrotask(() => clients.setWatched(entry, true)) });
  const node = new SimulatedNode({
    clients,
    post: (entry, record) => {
      if (!entry.watched) return false;
      post(entry, record(0));
      return true;
    },
    rate: 100,
  });
  t.after(() => node.stop());
  node.start();
  const seconds = async (count: number) => {
    for (let tick = 0; tick < count * 50; tick++) {
      t.mock.timers.tick(20);
      await Promise.resolve();
    }
  };
  return { clients, seconds };
}

test('six jobs on two GPUs, errors at the rate asked for', async (t) => {
  let errors = 0;
  const { clients, seconds } = start(t, (entry, bytes) => {
    if (bytes.length === 16) errors++;
    else clients.remove(entry);
  });
  assert.equal([...clients.entries()].length, 6);
  await Promise.resolve();
  await seconds(10);
  assert.ok(errors > 900 && errors <= 1000, `${errors} errors`);
  assert.deepEqual(new Set([...clients.entries()].map(({ client }) => client.workload?.pod)).size, 6);
  assert.equal([...clients.entries()].length, 6);
});

test('removal notices that a full ring has lost do not fill the table', async (t) => {
  const { clients, seconds } = start(t, (entry) => clients.suspect(entry));
  await Promise.resolve();
  await seconds(60);
  assert.ok([...clients.entries()].length < 200, `${[...clients.entries()].length} clients`);
  assert.equal(clients.full, false);
});
