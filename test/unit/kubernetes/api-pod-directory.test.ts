import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { ApiPodDirectory, type ApiPodDirectoryOptions } from '../../../exporter/kubernetes/pods/api-pod-directory.js';
import { ListItems } from '../../../exporter/kubernetes/api/list-items.js';
import { lines } from '../../../exporter/kubernetes/api/request.js';
import type { PodName } from '../../../exporter/kubernetes/pods/pod-directory.js';
import { FeatureBoard, type FeatureReport } from '../../../exporter/features.js';
import { KubeApi, NODE, type KubeApiOptions, type PodStub } from '../../helpers/kube-api.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';

const uid = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const cid = (n: number): string => n.toString(16).padStart(64, '0');

const TRAIN: PodStub = {
  uid: uid(1),
  name: 'train-0',
  namespace: 'ml',
  containers: [
    { name: 'main', id: cid(1) },
    { name: 'sidecar', id: cid(2) },
  ],
};

interface Setting {
  readonly api: KubeApi;
  readonly pods: ApiPodDirectory;
  readonly features: FeatureBoard;
  /** What was reported of the feature, in order. */
  readonly reports: FeatureReport[];
  changes(): number;
  name(container: number, pod?: number): PodName | undefined;
}

async function setting(
  t: TestContext,
  options: Partial<ApiPodDirectoryOptions> & {
    readonly stub?: KubeApiOptions;
    readonly prepare?: (api: KubeApi) => void;
  } = {},
): Promise<Setting> {
  const { stub, prepare, ...rest } = options;
  const api = await KubeApi.open(t, stub);
  prepare?.(api);
  const features = new FeatureBoard();
  const reports: FeatureReport[] = [];
  features.subscribe((report) => reports.push(report));
  const pods = new ApiPodDirectory({
    access: api.access(),
    nodeName: NODE,
    features,
    backoff: { firstMs: 2, maxMs: 20, random: () => 0 },
    ...rest,
  });
  t.after(() => pods.stop());
  let changes = 0;
  pods.onChange(() => changes++);
  await pods.start();
  const name = (container: number, pod?: number): PodName | undefined =>
    pods.lookup({ containerId: cid(container), podUid: pod === undefined ? '' : uid(pod) });
  return { api, pods, features, reports, changes: () => changes, name };
}

const watching = (api: KubeApi, count = 1): Promise<true> =>
  waitFor(() => api.watchers === 1 && api.watches().length >= count, { what: `watch ${count}` });

describe('the names', () => {
  it('of the containers of every kind are there after the start', async (t) => {
    const debug: PodStub = {
      uid: uid(2),
      name: 'debug',
      namespace: 'ml',
      containers: [
        { name: 'app', id: cid(3) },
        { name: 'prepare', id: cid(4), kind: 'init' },
        { name: 'debugger-x7', id: cid(5), kind: 'ephemeral' },
      ],
    };
    const { name, features } = await setting(t, { prepare: (api) => [TRAIN, debug].forEach((pod) => api.put(pod)) });
    assert.deepEqual(name(1, 1), { namespace: 'ml', pod: 'train-0', container: 'main', podUid: uid(1) });
    assert.equal(name(2, 1)?.container, 'sidecar');
    assert.deepEqual(
      [3, 4, 5].map((n) => name(n, 2)?.container),
      ['app', 'prepare', 'debugger-x7'],
    );
    assert.deepEqual(features.all(), [{ feature: 'kubernetes', state: 'active', reason: '', fix: '' }]);
  });

  it('are found by container id alone, and by pod uid alone without the container', async (t) => {
    const { pods, name } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    assert.equal(name(1)?.pod, 'train-0');
    assert.deepEqual(pods.lookup({ containerId: '', podUid: uid(1) }), {
      namespace: 'ml',
      pod: 'train-0',
      container: '',
      podUid: uid(1),
    });
    assert.equal(pods.lookup({ containerId: '', podUid: '' }), undefined);
    assert.equal(name(9, 9), undefined);
  });

  it('a container id of another pod is not believed', async (t) => {
    const other: PodStub = { uid: uid(2), name: 'other', containers: [{ name: 'a' }, { name: 'b', id: cid(9) }] };
    const { name } = await setting(t, { prepare: (api) => [TRAIN, other].forEach((pod) => api.put(pod)) });
    assert.deepEqual(name(9, 1), { namespace: 'ml', pod: 'train-0', container: '', podUid: uid(1) });
  });

  it('of a static pod are found by the hash its cgroup is named after', async (t) => {
    const hash = '1d7a3c0f9b8e4d2c6a5f00112233aabb';
    const pod = { ...TRAIN, annotations: { 'kubernetes.io/config.hash': hash } };
    const { pods } = await setting(t, { prepare: (api) => api.put(pod) });
    const found = pods.lookup({ containerId: cid(1), podUid: hash });
    assert.equal(found?.podUid, uid(1));
    assert.equal(found?.staticPodUid, hash);
  });

  it('only the pods of this node are asked for, and taken', async (t) => {
    const { api, name } = await setting(t, {
      prepare: (api) => {
        api.put(TRAIN);
        api.put({ ...TRAIN, uid: uid(2), node: 'other', containers: [{ name: 'main', id: cid(7) }] });
      },
    });
    await watching(api);
    for (const { query } of api.requests) assert.equal(query['fieldSelector'], `spec.nodeName=${NODE}`);
    const foreign = { metadata: { name: 'x', namespace: 'y', uid: uid(3), resourceVersion: '9999' } };
    api.inject(`${JSON.stringify({ type: 'ADDED', object: { ...foreign, spec: { nodeName: 'other' } } })}\n`);
    api.put({ ...TRAIN, uid: uid(4), containers: [{ name: 'main', id: cid(8) }] });
    await waitFor(() => name(8), { what: 'the pod after it' });
    assert.equal(name(7), undefined);
    assert.equal(name(9, 3), undefined);
  });

  it('come in pages', async (t) => {
    const { api, name } = await setting(t, {
      stub: { pageSize: 10 },
      prepare: (api) => {
        for (let n = 1; n <= 25; n++)
          api.put({ uid: uid(n), name: `pod-${n}`, containers: [{ name: 'c', id: cid(n) }] });
      },
    });
    assert.equal(api.lists().length, 3);
    for (let n = 1; n <= 25; n++) assert.equal(name(n, n)?.pod, `pod-${n}`);
  });

  it("that Kubernetes would not admit are nobody, and stand in nobody else's way", async (t) => {
    const hostile = ['', 'A', 'a b', 'a"} 1\nx{b="', 'ü', '-a', 'a'.repeat(254), '../../etc', '\u0000', 'a_b'];
    const { api, pods, name } = await setting(t, {
      prepare: (api) => {
        hostile.forEach((bad, n) => {
          const containers = [{ name: 'main', id: cid(100 + n) }];
          api.put({ uid: uid(100 + n), name: bad, containers });
          api.put({ uid: uid(200 + n), name: 'fine', namespace: bad, containers });
          api.put({ uid: uid(300 + n), name: 'fine', containers: [{ name: bad, id: cid(300 + n) }] });
          api.put({ uid: bad, name: 'fine', containers });
        });
        api.put(TRAIN);
      },
    });
    await watching(api);
    assert.equal(name(1, 1)?.container, 'main');
    hostile.forEach((_, n) => {
      assert.equal(name(100 + n), undefined);
      assert.equal(name(100 + n, 200 + n), undefined);
      assert.equal(name(300 + n, 300 + n)?.container, '');
    });
    assert.equal(pods.lookup({ containerId: 'containerd://x', podUid: '__proto__' }), undefined);
  });
});

describe('a pod', () => {
  it('that comes after its client was seen gets its name, and the change is told', async (t) => {
    const { api, name, changes } = await setting(t);
    await watching(api);
    assert.equal(name(1, 1), undefined);
    api.put({ ...TRAIN, containers: [{ name: 'main' }, { name: 'sidecar' }] });
    await waitFor(() => name(1, 1)?.pod === 'train-0', { what: 'the pod' });
    assert.equal(name(1, 1)?.container, '');
    const before = changes();
    api.put(TRAIN);
    await waitFor(() => name(1, 1)?.container === 'main' && changes() > before, { what: 'the container' });
  });

  it('with one container has its name before the id is known', async (t) => {
    const single: PodStub = { uid: uid(3), name: 'single', containers: [{ name: 'main' }] };
    const { name } = await setting(t, { prepare: (api) => api.put(single) });
    assert.equal(name(7, 3)?.container, 'main');
  });

  it('that is deleted before the question is asked keeps its names for the retention', async (t) => {
    let now = 0;
    const { api, name } = await setting(t, { now: () => now, prepare: (api) => api.put(TRAIN) });
    await watching(api);
    api.delete(TRAIN.uid);
    api.put({ ...TRAIN, uid: uid(2), containers: [{ name: 'main', id: cid(8) }] });
    await waitFor(() => name(8, 2), { what: 'the event after the deletion' });
    assert.equal(name(1, 1)?.container, 'main');
    now = 14 * 60_000;
    assert.equal(name(1, 1)?.container, 'main');
    now = 15 * 60_000;
    assert.equal(name(1, 1), undefined);
    assert.equal(name(8, 2)?.pod, 'train-0');
  });

  it('whose container restarts answers for the old id and the new', async (t) => {
    const { api, name } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    await watching(api);
    for (const n of [11, 12, 13]) {
      api.put({
        ...TRAIN,
        containers: [
          { name: 'main', id: cid(n) },
          { name: 'sidecar', id: cid(2) },
        ],
      });
    }
    await waitFor(() => name(13, 1)?.container === 'main', { what: 'the new container' });
    for (const n of [1, 11, 12, 13]) assert.equal(name(n, 1)?.container, 'main');
  });

  it('that had crashed before it was first seen answers for its last id too', async (t) => {
    const pod = { ...TRAIN, containers: [{ name: 'main', id: cid(5), lastId: cid(4) }, { name: 'sidecar' }] };
    const { name } = await setting(t, { prepare: (api) => api.put(pod) });
    assert.equal(name(4, 1)?.container, 'main');
  });

  it('whose state changes, but no name, changes nothing', async (t) => {
    const { api, name, changes } = await setting(t, { prepare: (api) => api.put(TRAIN) });
    await watching(api);
    await waitFor(() => changes() === 1, { what: 'the list' });
    for (let n = 0; n < 50; n++) api.put({ ...TRAIN, ready: n % 2 === 0 });
    api.put({ ...TRAIN, uid: uid(2), containers: [{ name: 'main', id: cid(8) }] });
    await waitFor(() => name(8, 2) && changes() > 1, { what: 'the last event' });
    assert.equal(changes(), 2);
  });
});

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
        for (let count = 0; count < 3; count++) stub.faults.list.push({ status: 101, headers: upgrade });
      },
    });
    await waitFor(() => name(1)?.pod === 'train-0', { what: 'the name' });
    assert.ok(reports.some(({ reason }) => /answers 101/.test(reason ?? '')));
    assert.ok(api.requests.length >= 4);
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
