import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ApiPodDirectory } from '../../../exporter/kubernetes/pods/api-pod-directory.js';
import { ListItems } from '../../../exporter/kubernetes/api/list-items.js';
import { lines } from '../../../exporter/kubernetes/api/request.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { KubeApi, NODE } from '../../helpers/kube-api.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';
import { uid, cid, TRAIN, setting, watching } from './api-directory-setting.js';

describe('a refusal', () => {
  it('401 is denied with a fix, and over when the token has been replaced', async (t) => {
    let token = 'old';
    const api = await KubeApi.open(t);
    api.put(TRAIN);
    api.token = 'new';
    const { pods, features } = await setting(t, {
      access: api.access(() => ({ authorization: `Bearer ${token}` })),
      startDeadlineMs: 20,
    });
    await waitFor(() => features.all()[0]?.state === 'denied', { what: 'the refusal' });
    assert.match(features.all()[0]?.reason ?? '', /401/);
    assert.match(features.all()[0]?.fix ?? '', /service account/);
    token = 'new';
    await waitFor(() => pods.lookup({ containerId: cid(1), podUid: uid(1) }), { what: 'the names' });
    assert.equal(features.all()[0]?.state, 'active');
    assert.ok(!JSON.stringify(features.all()).includes('old'));
  });

  it('403 is denied with the right to grant, and over when it is granted', async (t) => {
    const { api, name, features } = await setting(t, {
      startDeadlineMs: 20,
      prepare: (api) => {
        api.put(TRAIN);
        api.granted = false;
      },
    });
    await waitFor(() => features.all()[0]?.state === 'denied', { what: 'the refusal' });
    assert.match(features.all()[0]?.fix ?? '', /Grant list and watch on pods/);
    api.granted = true;
    await waitFor(() => name(1, 1), { what: 'the names' });
    assert.equal(features.all()[0]?.state, 'active');
  });

  it('403 while watching keeps the names', async (t) => {
    const { api, name, features } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    await watching(api);
    api.granted = false;
    api.endWatches();
    await waitFor(() => features.all()[0]?.state === 'denied', { what: 'the refusal' });
    assert.equal(name(1, 1)?.container, 'main');
    api.granted = true;
    await watching(api);
    api.bookmark();
    await waitFor(() => features.all()[0]?.state === 'active', { what: 'the recovery' });
  });

  it('429 waits as long as the server says', async (t) => {
    const { api, name } = await setting(t, {
      startDeadlineMs: 5_000,
      prepare: (api) => {
        api.put(TRAIN);
        api.faults.list.push({ status: 429, headers: { 'retry-after': '1' } });
      },
    });
    const [first, second] = api.lists();
    assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 990);
    assert.ok(name(1, 1));
  });

  for (const fault of [
    { status: 500 },
    { status: 503, headers: { 'retry-after': 'soon' } },
    { status: 404 },
    { status: 204 },
    { body: '<html>' },
    { body: 'null' },
    { body: '{"items":{}}' },
    { body: '{"items":[]}' },
    { body: '{"items":[null,1,"x",{}],"metadata":{"resourceVersion":5}}' },
    'reset' as const,
  ]) {
    it(`a list answered with ${JSON.stringify(fault)} is asked for again`, async (t) => {
      const { name, reports } = await setting(t, {
        prepare: (api) => {
          api.put(TRAIN);
          api.faults.list.push(fault, fault);
        },
      });
      assert.equal(name(1, 1)?.container, 'main');
      assert.deepEqual(
        reports.map(({ state }) => state),
        ['unsupported', 'active'],
      );
    });
  }

  it('a redirect is not followed: the token stays here', async (t) => {
    const elsewhere = await KubeApi.open(t);
    const { api, name } = await setting(t, {
      prepare: (api) => {
        api.put(TRAIN);
        api.faults.list.push({ status: 302, headers: { location: `${elsewhere.url}/api/v1/pods` } });
      },
    });
    assert.ok(name(1, 1));
    assert.equal(api.lists().length, 2);
    assert.equal(elsewhere.requests.length, 0);
  });
});

describe('a server that is away', () => {
  it('does not hold the start up beyond its deadline; names come later', async (t) => {
    const { api, name, changes, features } = await setting(t, {
      startDeadlineMs: 50,
      prepare: (api) => {
        api.listDelayMs = 1_000;
        api.put(TRAIN);
      },
    });
    assert.equal(name(1, 1), undefined, 'it has waited for the list');
    await waitFor(() => name(1, 1) && changes() === 1, { what: 'the names' });
    assert.equal(api.lists().length, 1);
    assert.equal(features.all()[0]?.state, 'active');
  });

  it('from the beginning is reported with what to check', async (t) => {
    const { api, name, features } = await setting(t, {
      startDeadlineMs: 20,
      access: {
        origin: 'x',
        target: () => Promise.resolve({ server: new URL('http://127.0.0.1:9'), headers: {}, tls: {} }),
      },
    });
    await waitFor(() => features.all()[0]?.state === 'unsupported', { what: 'the report' });
    assert.match(features.all()[0]?.reason ?? '', /ECONNREFUSED$/);
    assert.equal(api.requests.length, 0);
    assert.equal(name(1, 1), undefined);
  });

  it('leaves the last known names, and is caught up with when it is back', async (t) => {
    const { api, name, features } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    await watching(api);
    await api.down();
    await waitFor(() => features.all()[0]?.reason, { what: 'the report' });
    assert.equal(features.all()[0]?.state, 'active');
    assert.match(features.all()[0]?.reason ?? '', /last known/);
    assert.equal(name(1, 1)?.container, 'main');
    api.put({ ...TRAIN, uid: uid(2), containers: [{ name: 'main', id: cid(8) }] });
    await api.up();
    await waitFor(() => name(8, 2), { what: 'the event from the time between' });
    assert.equal(features.all()[0]?.reason, '');
    assert.equal(api.lists().length, 1);
  });

  it('a node the API knows no pod of has most likely another name', async (t) => {
    const { api, features } = await setting(t);
    assert.equal(features.all()[0]?.state, 'active');
    assert.match(features.all()[0]?.fix ?? '', /--node-name/);
    await watching(api);
    api.put(TRAIN);
    await waitFor(() => features.all()[0]?.reason === '', { what: 'the end of the doubt' });
  });
});

describe('bounds', () => {
  it('of more pods than the directory holds the first stay, and that is said', async (t) => {
    const { api, name, features } = await setting(t, {
      startDeadlineMs: 10_000,
      prepare: (api) => {
        for (let n = 1; n <= 5_100; n++) {
          api.put({ uid: uid(n), name: `pod-${n}`, containers: [{ name: 'main', id: cid(n) }] });
        }
      },
    });
    assert.equal(name(5_000, 5_000)?.pod, 'pod-5000');
    assert.equal(name(5_001, 5_001), undefined);
    assert.match(features.all()[0]?.reason ?? '', /more pods/);
    await watching(api);
    api.delete(uid(1));
    api.put({ uid: uid(6_000), name: 'next', containers: [{ name: 'main', id: cid(6_000) }] });
    await waitFor(() => name(6_000, 6_000), { what: 'a pod in the place of one that left' });
    assert.equal(name(1, 1), undefined);
  });

  for (const [what, body] of [
    ['deep', '['.repeat(5_000_000)],
    ['an item without an end', `{"metadata":{"resourceVersion":"1"},"items":[{"a":"${'x'.repeat(4_000_000)}`],
    ['a frame without an end', `{"a":"${'x'.repeat(200_000)}`],
  ] as const) {
    it(`a list that is ${what} is refused, and asked for again`, async (t) => {
      const { name } = await setting(t, {
        prepare(api) {
          api.put(TRAIN);
          api.faults.list.push({ body });
        },
      });
      await waitFor(() => name(1)?.pod === 'train-0', { what: 'the name', deadlineMs: 20_000 });
    });
  }

  it('a pod that is nested too deeply or has too many values hides no other', async (t) => {
    const { name, api } = await setting(t, {
      prepare(stub) {
        const deep = `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`;
        const wide = `{"a":[${'[],'.repeat(200_000)}0]}`;
        const pod = {
          metadata: { name: 'train-0', namespace: 'ml', uid: uid(1) },
          spec: { nodeName: NODE },
          status: {},
        };
        const container = { name: 'main', containerID: `containerd://${cid(1)}` };
        const good = JSON.stringify({ ...pod, status: { containerStatuses: [container] } });
        stub.faults.list.push({ body: `{"metadata":{"resourceVersion":"1000"},"items":[${deep},${wide},${good}]}` });
      },
    });
    assert.equal(name(1)?.pod, 'train-0');
    await watching(api);
    api.inject(`{"type":"MODIFIED","object":{"a":[${'[],'.repeat(200_000)}0]}}\n`);
    api.put({ ...TRAIN, uid: uid(2), name: 'train-1', containers: [{ name: 'main', id: cid(7) }] });
    await waitFor(() => name(7)?.pod === 'train-1', { what: 'the next pod' });
    assert.equal(api.lists().length, 1);
  });

  it('an answer that changes the protocol is a failure like any other', async (t) => {
    const { api, reports, name } = await setting(t, {
      prepare(stub) {
        stub.put(TRAIN);
        const upgrade = { connection: 'upgrade', upgrade: 'x' };
        for (let count = 0; count < 3; count++) {
          stub.faults.list.push({ status: 101, headers: upgrade });
          stub.faults.watch.push({ status: 101, headers: upgrade });
        }
      },
    });
    await waitFor(() => name(1)?.pod === 'train-0', { what: 'the name' });
    assert.ok(reports.some(({ reason }) => /answers 101/.test(reason ?? '')));
    await watching(api);
    assert.deepEqual(api.faults, { list: [], watch: [], write: [], node: [] });
    api.put({ ...TRAIN, uid: uid(2), name: 'train-1', containers: [{ name: 'main', id: cid(7) }] });
    await waitFor(() => name(7)?.pod === 'train-1', { what: 'the name of a pod that came later' });
  });

  it('a list is the same however the text is cut, and holds no more than its items need', () => {
    const pods = [{ a: '}]{[",\\"' }, { b: [{ c: [1, {}] }] }, {}];
    const text = JSON.stringify({ kind: 'PodList', metadata: { resourceVersion: '7', continue: 'x' }, items: pods });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sizes) => {
        const list = new ListItems({ item: 100, list: 1000 });
        const items: unknown[] = [];
        for (let at = 0, turn = 0; at < text.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          items.push(...list.push(text.slice(at, at + size)).map((item) => JSON.parse(item) as unknown));
          at += size;
        }
        assert.deepEqual(items, pods);
        assert.deepEqual(JSON.parse(list.frame), { ...JSON.parse(text), items: [null, null, null] });
      }),
    );
  });

  it('a line without an end is an error', async () => {
    const endless = async function* (): AsyncGenerator<string> {
      for (;;) yield 'x'.repeat(1_000);
    };
    await assert.rejects(lines(endless(), 10_000).next(), /more than 10000/);
  });

  it('lines are the same however the text is cut', async () => {
    const text = fc.array(fc.constantFrom('a', '\n', 'ü', '{}', ''), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(text, async (pieces) => {
        const found: string[] = [];
        const source = async function* (): AsyncGenerator<string> {
          yield* pieces;
        };
        for await (const line of lines(source(), 1_000)) found.push(line);
        assert.deepEqual(found, pieces.join('').split('\n').slice(0, -1));
      }),
    );
  });
});

describe('stopping', () => {
  for (const [when, prepare] of [
    ['during a list', (api: KubeApi) => api.faults.list.push('silence')],
    ['during a pause', (api: KubeApi) => api.faults.list.push({ status: 503, headers: { 'retry-after': '60' } })],
    ['during a watch', () => undefined],
  ] as const) {
    it(`${when} is at once, once, and the end of all requests`, async (t) => {
      const { api, pods } = await setting(t, { startDeadlineMs: 20, prepare });
      await waitFor(() => (when === 'during a watch' ? api.watchers : api.requests.length), { what: 'a request' });
      await inTime(Promise.all([pods.stop(), pods.stop()]), 'the stop');
      const { length } = api.requests;
      await waitFor(() => api.watchers === 0, { what: 'the end of the watch' });
      assert.equal(api.requests.length, length);
    });
  }

  it('before the start is stopping too', async (t) => {
    const api = await KubeApi.open(t);
    const pods = new ApiPodDirectory({ access: api.access(), nodeName: NODE, features: new FeatureBoard() });
    await pods.stop();
    await inTime(pods.start(), 'the start');
    assert.equal(api.requests.length, 0);
  });

  it('leaves the names', async (t) => {
    const { pods, name } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    await pods.stop();
    assert.equal(name(1, 1)?.container, 'main');
  });
});
