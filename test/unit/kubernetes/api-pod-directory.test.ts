import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NODE, type PodStub } from '../../helpers/kube-api.js';
import { waitFor } from '../../helpers/wait-for.js';
import { uid, cid, TRAIN, setting, watching } from './api-directory-setting.js';

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
