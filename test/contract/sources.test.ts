import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { XeClient } from '../../exporter/clients/client.js';
import { ClientTable } from '../../exporter/clients/client-table.js';
import { eventDefinitions } from '../../exporter/events/index.js';
import { SimulatedDevices } from '../../exporter/simulator/simulated-devices.js';
import { SimulatedMemory } from '../../exporter/simulator/simulated-memory.js';
import { SimulatedNode } from '../../exporter/simulator/simulated-node.js';
import type { WatchBatch } from '../../exporter/sources/source.js';
import { WatchQueueSource } from '../../exporter/sources/watch-queue/source.js';
import { FeatureBoard } from '../../exporter/features.js';
import { SOURCES } from '../../exporter/names.js';
import { encodeVmError, forEachRecord, WATCH_IDS } from '../../exporter/wire/watch-notification.js';
import { aClient } from '../helpers/events.js';
import { waitFor } from '../helpers/wait-for.js';
import { ACTIVE, addon } from '../helpers/watched-node.js';

/** One source and a way to make it say something. */
interface Subject {
  readonly source: WatchQueueSource;
  /** Brings the source to where it can deliver, once it is started. */
  ready(): Promise<void>;
  /** Has something happen; what happened before stop() is to be delivered. */
  provoke(): void;
  release(): void;
  readonly ups: readonly boolean[];
}

/** THE LIST: a new source is one line here. */
const SUBJECTS: Readonly<Record<string, () => Subject>> = {
  'watch queue over the fake': () => watchQueue('watch_queue'),
  simulator: () => watchQueue('simulator'),
};

function watchQueue(name: 'watch_queue' | 'simulator'): Subject {
  const clients = new ClientTable(100);
  const ups: boolean[] = [];
  const devices = new SimulatedDevices().list();
  const source = new WatchQueueSource({
    name,
    backend: 'fake',
    native: addon,
    queueBytes: 1 << 20,
    devices: { devices },
    clients,
    features: new FeatureBoard(),
    wanted: eventDefinitions,
    probe: async () => ACTIVE,
    accounting: {
      attachFailed: () => assert.fail(),
      dropped: () => assert.fail(),
      upChanged: (_source, up) => ups.push(up),
    },
  });
  clients.subscribe(source.clientListener);
  const simulated = new SimulatedNode({
    memory: new SimulatedMemory(),
    clients,
    devices: () => devices,
    post: (entry, record) => source.post(entry, record),
    rate: 500,
    outcomeWindowMs: 60_000,
  });
  const watched = () => [...clients.entries()].filter((entry) => entry.watched);
  return {
    source,
    ups,
    async ready() {
      await source.settled();
      const device = devices[0]!;
      if (name === 'simulator') simulated.start();
      else clients.add(aClient({ device }), [{ pid: 1, fd: 3, minor: 128, startTime: 1n, comm: 'app' }]);
      await waitFor(() => watched().length > 0, { what: 'a watched client' });
    },
    provoke: () => watched().forEach((entry) => source.post(entry, (id) => encodeVmError(id, 1, -12))),
    release: () => simulated.stop(),
  };
}

for (const [what, make] of Object.entries(SUBJECTS)) {
  describe(`source: ${what}`, () => {
    const start = async (t: { after(fn: () => unknown): void }, handler: (batch: WatchBatch) => void) => {
      const subject = make();
      t.after(() => subject.source.stop());
      t.after(() => subject.release());
      await subject.source.start(handler);
      return subject;
    };

    it('has a name of the catalogue', () => assert.ok(SOURCES.includes(make().source.name)));

    it('is down before the start, up after it, down after the stop, and says each change', async (t) => {
      assert.equal(make().source.up, false);
      const { source, ups, ready, release } = await start(t, () => undefined);
      await ready();
      assert.equal(source.up, true);
      assert.equal(ups.at(-1), true);
      release();
      await source.stop();
      assert.equal(source.up, false);
      assert.equal(ups.at(-1), false);
    });

    it('delivers whole records with times, origin and owners', async (t) => {
      const batches: WatchBatch[] = [];
      const owners: (XeClient | undefined)[] = [];
      const { source, ready, provoke } = await start(t, (batch) => {
        batches.push(batch);
        const whole = forEachRecord(batch.view, batch.start, batch.end, (type, _subtype, watchId) => {
          if (type === 2) owners.push(batch.owners[watchId]);
        });
        assert.ok(whole);
      });
      const [realtime, monotonic] = [BigInt(Date.now()) * 1_000_000n, process.hrtime.bigint()];
      await ready();
      provoke();
      await waitFor(() => owners.length > 0, { what: 'an event' });
      for (const batch of batches) {
        assert.equal(batch.source, source.name);
        assert.equal(batch.owners.length, WATCH_IDS);
        assert.ok(batch.monotonicNs >= monotonic && batch.monotonicNs <= process.hrtime.bigint());
        assert.ok(batch.realtimeNs >= realtime - 1_000_000_000n);
      }
      assert.ok(owners.every((owner) => owner !== undefined));
    });

    it('delivers what was read before the stop, nothing after it, and stops once', async (t) => {
      let records = 0;
      const { source, ready, provoke, release } = await start(t, ({ view, start, end }) => {
        forEachRecord(view, start, end, () => records++);
      });
      await ready();
      release();
      const before = records;
      for (let i = 0; i < 50; i++) provoke();
      const stopping = source.stop();
      assert.equal(source.stop(), stopping);
      await stopping;
      assert.ok(records >= before + 50, `${records - before} records`);
      const after = records;
      provoke();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(records, after);
    });

    it('stops without having been started', () => make().source.stop());
  });
}
