import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { waitFor } from '../../helpers/wait-for.js';
import { uid, cid, TRAIN, setting, watching } from './api-directory-setting.js';

describe('a watch', () => {
  it('goes on from where it was when the server ends it, and from a bookmark', async (t) => {
    const { api, name } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    await watching(api);
    assert.deepEqual(
      ['resourceVersion', 'allowWatchBookmarks', 'timeoutSeconds'].map((key) => api.watches()[0]?.query[key]),
      [api.version, 'true', '300'],
    );
    api.bookmark();
    const version = api.version;
    // A bookmark has no other effect: only the next request shows that it came.
    await waitFor(
      () => {
        api.endWatches();
        return api.watches().at(-1)?.query['resourceVersion'] === version;
      },
      { what: 'a watch from the bookmark' },
    );
    await watching(api);
    api.put({ ...TRAIN, uid: uid(2), containers: [{ name: 'main', id: cid(8) }] });
    await waitFor(() => name(8, 2), { what: 'an event of the new watch' });
    assert.equal(api.lists().length, 1);
  });

  it('ends by itself at the time-out it asked for', async (t) => {
    const { api } = await setting(t, { watchTimeoutMs: 1_000, prepare: (api) => api.put(TRAIN) });
    await watching(api, 2);
    assert.equal(api.watches()[0]?.query['timeoutSeconds'], '1');
    assert.equal(api.lists().length, 1);
  });

  for (const cut of ['', '{"type":"ADDED","obj', '{"type":"DELETED","object":{"metadata":{"name":"train-0"']) {
    it(`that breaks off${cut && ` after ${cut}`} misses nothing`, async (t) => {
      const { api, name } = await setting(t, { prepare: (api) => api.put(TRAIN) });
      await watching(api);
      api.dropWatches(cut);
      api.put({ ...TRAIN, uid: uid(2), containers: [{ name: 'main', id: cid(8) }] });
      await waitFor(() => name(8, 2), { what: 'the event from the time between' });
      assert.equal(api.lists().length, 1);
      assert.equal(name(1, 1)?.container, 'main');
    });
  }

  for (const goneAs of ['status', 'event'] as const) {
    it(`from too long ago (410 as ${goneAs}) is a list that is not from the cache`, async (t) => {
      const { api, name, reports } = await setting(t, { prepare: (api) => api.put(TRAIN) });
      await watching(api);
      assert.equal(api.lists()[0]?.query['resourceVersion'], '0');
      api.goneAs = goneAs;
      await api.down();
      api.delete(TRAIN.uid);
      api.put({ ...TRAIN, uid: uid(2), containers: [{ name: 'main', id: cid(8) }] });
      api.compact();
      await api.up();
      await waitFor(() => name(8, 2), { what: 'the new pod' });
      assert.equal(api.lists().length, 2);
      assert.equal(api.lists()[1]?.query['resourceVersion'], undefined);
      assert.equal(name(1, 1)?.container, 'main', 'a pod that left unseen is remembered');
      assert.ok(reports.every(({ state }) => state === 'active'));
    });
  }

  it('that a server forgot while it was away is not waited for as if it still were', async (t) => {
    let now = 0;
    let failures = 0;
    const { api } = await setting(t, {
      now: () => now,
      // No pauses while it is away, and whole ones then: after so many failures a minute.
      backoff: { firstMs: 1, maxMs: 60_000, random: () => (++failures <= 19 ? 2 : 0) },
      prepare: (api) => api.put(TRAIN),
    });
    await watching(api);
    now += 60_001;
    for (let n = 0; n < 18; n++) api.faults.watch.push({ status: 503 });
    api.faults.watch.push({ status: 410 });
    api.dropWatches();
    await waitFor(() => api.lists().length === 2, { what: 'the list' });
    assert.equal(failures, 20, 'the cut connection, what was refused, and what was forgotten');
  });

  it('that says nothing for too long is given up', async (t) => {
    const { api, name } = await setting(t, {
      watchTimeoutMs: 10,
      idleMs: 50,
      prepare: (api) => {
        api.put(TRAIN);
        api.faults.watch.push('silence', 'silence');
      },
    });
    await watching(api, 3);
    assert.equal(name(1, 1)?.container, 'main');
  });

  it('with an error that is none of age goes on from where it was', async (t) => {
    const { api, name } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    await watching(api);
    for (const status of [{ code: 500 }, { code: 429, details: { retryAfterSeconds: 0 } }, {}, null]) {
      const count = api.watches().length;
      api.inject(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      await watching(api, count + 1);
    }
    api.put({ ...TRAIN, uid: uid(2), containers: [{ name: 'main', id: cid(8) }] });
    await waitFor(() => name(8, 2), { what: 'the next event' });
    assert.equal(api.lists().length, 1);
  });

  it('with a line that is no JSON may have lost an event, so the pods are listed again', async (t) => {
    const { api, name } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    await watching(api);
    api.inject('<html>\n');
    await waitFor(() => api.lists().length === 2, { what: 'the list' });
    await watching(api, 2);
    assert.equal(name(1, 1)?.container, 'main');
  });

  it('with events of no sense does no harm', async (t) => {
    const { api, name } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    for (const line of [
      'null',
      '1',
      '"x"',
      '[]',
      '{}',
      '{"type":"ADDED"}',
      '{"type":"ADDED","object":{"metadata":null}}',
    ]) {
      await watching(api);
      const count = api.watches().length;
      api.inject(`${line}\n`);
      await watching(api, count + 1);
    }
    const odd = { metadata: { resourceVersion: '9999' }, spec: 1, status: { containerStatuses: {} } };
    api.inject(
      `${JSON.stringify({ type: 'ADDED', object: odd })}\n\n{"type":"NEWS","object":{"metadata":{"resourceVersion":"1"}}}\n`,
    );
    api.put({ ...TRAIN, uid: uid(2), containers: [{ name: 'main', id: cid(8) }] });
    await waitFor(() => name(8, 2), { what: 'the next event' });
  });

  it('that ends at once every time is not asked for without a pause', async (t) => {
    const { api } = await setting(t, {
      backoff: { firstMs: 20, maxMs: 1_000, random: () => 0 },
      prepare: (api) => {
        api.put(TRAIN);
        for (let n = 0; n < 5; n++) api.faults.watch.push({ body: '' });
      },
    });
    await watching(api, 6);
    const times = api.watches().map(({ at }) => at);
    const pauses = times.slice(1).map((at, n) => at - (times[n] ?? 0));
    pauses.forEach((pause, n) => assert.ok(pause >= 20 * 2 ** n - 5, `${pauses.join()}`));
  });
});

describe('property', () => {
  it('whatever happens between, in the end every living pod has its names', async (t) => {
    const operation = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('put' as const),
          n: fc.integer({ min: 1, max: 6 }),
          id: fc.integer({ min: 1, max: 9 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('delete' as const),
          n: fc.integer({ min: 1, max: 6 }),
          id: fc.constant(0),
        }),
      },
      fc.record({
        kind: fc.constantFrom('bookmark', 'compact', 'end', 'drop', 'cut', 'garbage', 'fail', 'turn' as const),
        n: fc.constant(0),
        id: fc.constant(0),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 30 }), fc.boolean(), async (operations, asEvent) => {
        const { api, pods, name } = await setting(t, { backoff: { firstMs: 1, maxMs: 4 } });
        api.goneAs = asEvent ? 'event' : 'status';
        const living = new Map<number, number>();
        for (const { kind, n, id } of operations) {
          if (kind === 'put') {
            api.put({
              uid: uid(n),
              name: `pod-${n}`,
              containers: [{ name: 'main', id: cid(n * 16 + id) }, { name: 'b' }],
            });
            living.set(n, n * 16 + id);
          } else if (kind === 'delete') {
            api.delete(uid(n));
            living.delete(n);
          } else if (kind === 'bookmark') api.bookmark();
          else if (kind === 'compact') api.compact();
          else if (kind === 'end') api.endWatches();
          else if (kind === 'drop') api.dropWatches();
          else if (kind === 'cut') api.dropWatches('{"type":');
          else if (kind === 'garbage') api.inject('garbage\n');
          else if (kind === 'fail') api.faults.watch.push({ status: 500 });
          else await new Promise((resolve) => setTimeout(resolve, 2));
        }
        await waitFor(
          () => [...living].every(([n, id]) => name(id, n)?.container === 'main' && name(id, n)?.pod === `pod-${n}`),
          { what: `the names of ${JSON.stringify([...living])}` },
        );
        await pods.stop();
        await api.down();
      }),
      { numRuns: 60 },
    );
  });
});
