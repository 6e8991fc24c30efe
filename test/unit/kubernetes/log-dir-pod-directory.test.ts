import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  LogDirPodDirectory,
  type LogDirPodDirectoryOptions,
} from '../../../exporter/kubernetes/pods/log-dir-pod-directory.js';
import type { PodName, PodQuery } from '../../../exporter/kubernetes/pods/pod-directory.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { waitFor } from '../../helpers/wait-for.js';

const UID = '0a1b2c3d-1111-4222-8333-444455556666';
const OTHER_UID = 'ffffeeee-2222-4333-8444-555566667777';
const ID = 'a'.repeat(64);
const QUERY: PodQuery = { podUid: UID, containerId: ID };
const NAME: PodName = { namespace: 'ml', pod: 'train-0', container: 'main', podUid: UID };

interface Setting {
  readonly tree: FixtureTree;
  readonly pods: LogDirPodDirectory;
  readonly features: FeatureBoard;
  changes(): number;
  /** The answer once there is one. */
  answer(query: PodQuery, container?: string): Promise<PodName>;
}

function setting(t: TestContext, options: LogDirPodDirectoryOptions = {}): Setting {
  const tree = new FixtureTree(t);
  tree.directory('pods');
  tree.directory('containers');
  const features = new FeatureBoard();
  const pods = new LogDirPodDirectory({ root: tree.root, features, retryMs: [5, 5, 1_000], ...options });
  t.after(() => pods.stop());
  let changes = 0;
  pods.onChange(() => changes++);
  const answer = (query: PodQuery, container?: string): Promise<PodName> =>
    waitFor(
      () => {
        const name = pods.lookup(query);
        return container === undefined || name?.container === container ? name : undefined;
      },
      { what: `the name of ${JSON.stringify(query)}` },
    );
  return { tree, pods, features, changes: () => changes, answer };
}

function addPod(tree: FixtureTree, uid = UID, name = 'train-0', containers: readonly string[] = ['main']): void {
  for (const container of containers) tree.directory(`pods/ml_${name}_${uid}/${container}`);
}

function addContainer(tree: FixtureTree, id = ID, container = 'main', name = 'train-0', uid = UID): void {
  tree.link(`containers/${name}_ml_${container}-${id}.log`, `/var/log/pods/ml_${name}_${uid}/${container}/0.log`);
}

describe('names from the log directories', () => {
  it('come after the first question, and the change is told', async (t) => {
    const { tree, pods, changes } = setting(t);
    addPod(tree, UID, 'train-0', ['main', 'sidecar']);
    addContainer(tree);
    assert.equal(pods.lookup(QUERY), undefined);
    await waitFor(() => changes() === 1, { what: 'the change' });
    assert.deepEqual(pods.lookup(QUERY), NAME);
  });

  it('outlive the pod', async (t) => {
    const { tree, pods, answer } = setting(t);
    addPod(tree);
    addContainer(tree);
    await answer(QUERY);
    tree.remove('pods');
    tree.remove('containers');
    assert.deepEqual(pods.lookup(QUERY), NAME);
  });

  it('come in two steps when the link to the log is late', async (t) => {
    const { tree, answer } = setting(t);
    addPod(tree, UID, 'train-0', ['init', 'main']);
    assert.equal((await answer(QUERY)).container, '');
    addContainer(tree);
    assert.deepEqual(await answer(QUERY, 'main'), NAME);
  });

  it('do without the link when the pod has one container', async (t) => {
    const { tree, answer } = setting(t);
    addPod(tree);
    assert.deepEqual(await answer(QUERY), NAME);
  });

  it('are found by container id alone, with the uid when only one pod had the name', async (t) => {
    const { tree, answer } = setting(t);
    addPod(tree);
    addContainer(tree);
    assert.deepEqual(await answer({ podUid: '', containerId: ID }), NAME);
    addPod(tree, OTHER_UID);
    const second = 'b'.repeat(64);
    addContainer(tree, second);
    assert.equal((await answer({ podUid: '', containerId: second })).podUid, '');
  });

  it('are found by pod uid alone, without the container', async (t) => {
    const { tree, answer } = setting(t);
    addPod(tree);
    assert.deepEqual(await answer({ podUid: UID, containerId: '' }), { ...NAME, container: '' });
  });

  it('of a pod made again by the same name are those of the right uid', async (t) => {
    const { tree, answer } = setting(t);
    addPod(tree, UID);
    addPod(tree, OTHER_UID);
    addContainer(tree, ID, 'main', 'train-0', OTHER_UID);
    assert.equal((await answer({ podUid: OTHER_UID, containerId: ID })).podUid, OTHER_UID);
  });

  it('a container id of another pod is not believed', async (t) => {
    const { tree, answer } = setting(t);
    addPod(tree, UID, 'train-0', ['main', 'sidecar']);
    addPod(tree, OTHER_UID, 'other');
    addContainer(tree, ID, 'main', 'other', OTHER_UID);
    assert.equal((await answer(QUERY)).container, '');
  });

  it('of static pods are found by their hash', async (t) => {
    const { tree, answer } = setting(t);
    const hash = '1d7a3c0f9b8e4d2c6a5f00112233aabb';
    addPod(tree, hash, 'etcd-node');
    assert.equal((await answer({ podUid: hash, containerId: ID })).pod, 'etcd-node');
  });

  it('that Kubernetes would not admit are nobody', async (t) => {
    const { tree, pods, answer } = setting(t, { retryMs: [] });
    for (const bad of ['A', 'a b', 'a"}', '-a', 'a\n', 'ü', '.']) {
      tree.directory(`pods/ml_${bad}_${UID}/main`);
      tree.directory(`pods/${bad}_train_${UID}/main`);
      tree.link(`containers/train-0_ml_${bad}-${ID}.log`, 'x');
    }
    tree.directory(`pods/ml_train-0_${UID}_x/main`);
    tree.directory('pods/ml_train-0_123/main');
    addPod(tree, OTHER_UID, 'other');
    pods.lookup(QUERY);
    await answer({ podUid: OTHER_UID, containerId: '' });
    assert.equal(pods.lookup(QUERY), undefined);
  });
});

describe('reading', () => {
  it('ends for what is never found, and what is no container is not asked for', async (t) => {
    let now = 0;
    const { tree, pods, answer } = setting(t, { now: () => now, retryMs: [] });
    assert.equal(pods.lookup({ podUid: '', containerId: '' }), undefined);
    pods.lookup(QUERY);
    addPod(tree, OTHER_UID, 'other');
    await answer({ podUid: OTHER_UID, containerId: '' });
    now = 1;
    // Asked anew, it is looked for anew.
    addPod(tree);
    assert.deepEqual(await answer(QUERY), NAME);
  });

  it('keeps to its bounds', async (t) => {
    const { tree, pods, answer } = setting(t, { maxNames: 10 });
    const id = (n: number): string => n.toString(16).padStart(64, '0');
    addPod(tree);
    for (let n = 0; n < 40; n++) addContainer(tree, id(n), 'main');
    for (let n = 0; n < 40; n++) await answer({ podUid: UID, containerId: id(n) });
    assert.equal(pods.lookup({ podUid: UID, containerId: id(0) }), undefined);
    assert.ok(pods.lookup({ podUid: UID, containerId: id(39) }));
    for (let n = 0; n < 5_000; n++) pods.lookup({ podUid: UID, containerId: id(100_000 + n) });
    addContainer(tree, ID);
    assert.deepEqual(await answer(QUERY), NAME);
  });

  it('stops at once and for ever', async (t) => {
    const { tree, pods } = setting(t);
    addPod(tree);
    pods.lookup(QUERY);
    await Promise.all([pods.stop(), pods.stop()]);
    pods.lookup({ podUid: UID, containerId: '' });
    assert.equal(pods.lookup(QUERY), undefined);
  });
});

describe('the feature', () => {
  it('is active where the directory is', async (t) => {
    const { pods, features } = setting(t);
    await pods.start();
    assert.equal(features.all()[0]?.state, 'active');
  });

  it('is unsupported where it is not, with what to mount', async (t) => {
    const { tree, pods, features } = setting(t);
    tree.remove('pods');
    await pods.start();
    assert.equal(features.all()[0]?.state, 'unsupported');
    assert.match(features.all()[0]?.fix ?? '', /Mount/);
  });
});
