import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NO_WORKLOAD, WorkloadResolver } from '../../../exporter/clients/workload.js';
import { FirstOf } from '../../../exporter/kubernetes/pods/first-of.js';
import type { PodDirectory, PodName } from '../../../exporter/kubernetes/pods/pod-directory.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';

const UID = '0a1b2c3d-1111-4222-8333-444455556666';
const ID = 'a'.repeat(64);
const NAME: PodName = { namespace: 'ml', pod: 'train-0', container: 'main', podUid: 'uid-of-the-api' };

class FakeDirectory implements PodDirectory {
  name: PodName | undefined;
  asked = 0;
  readonly calls: string[] = [];
  readonly listeners: (() => void)[] = [];

  lookup(): PodName | undefined {
    this.asked++;
    return this.name;
  }

  start(): Promise<void> {
    this.calls.push('start');
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.calls.push('stop');
    return Promise.resolve();
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }
}

describe('the workload of a process', () => {
  it('is identified while it lives and named when names are there', async (t) => {
    const tree = new FixtureTree(t);
    tree.file('42/cgroup', `0::/kubepods/pod${UID}/${ID}\n`);
    const pods = new FakeDirectory();
    const workloads = new WorkloadResolver({ procRoot: tree.root, pods });
    const identity = await workloads.identify(42);
    tree.remove('42');
    const ids = { containerId: ID, podUid: UID, owner: `pod:${UID}` };
    assert.deepEqual(workloads.name(identity), { ...ids, namespace: '', pod: '', container: '' });
    pods.name = NAME;
    assert.deepEqual(workloads.name(identity), { ...ids, ...NAME });
  });

  it('has no pod where a user of the node has named its cgroup like one, or like a container of one', async (t) => {
    const tree = new FixtureTree(t);
    const manager = '/user.slice/user-1000.slice/user@1000.service';
    tree.file('7/cgroup', `0::${manager}/app.slice/cri-containerd-${ID}.scope\n`);
    tree.file('8/cgroup', `0::${manager}/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/a.scope\n`);
    const pods = new FakeDirectory();
    pods.name = NAME;
    const workloads = new WorkloadResolver({ procRoot: tree.root, pods });
    const named = await Promise.all([7, 8].map(async (pid) => workloads.name(await workloads.identify(pid))));
    assert.deepEqual(
      named.map((workload) => [workload?.podUid, workload?.pod, workload?.container]),
      [
        ['', '', ''],
        ['', '', ''],
      ],
    );
    assert.equal(pods.asked, 0);
  });

  it('that is gone, or in no container, is nobody', async (t) => {
    const tree = new FixtureTree(t);
    tree.file('7/cgroup', '0::/\n');
    const pods = new FakeDirectory();
    const workloads = new WorkloadResolver({ procRoot: tree.root, pods });
    for (const pid of [7, 8]) {
      const identity = await workloads.identify(pid);
      assert.deepEqual(identity, NO_WORKLOAD);
      assert.equal(workloads.name(identity), undefined);
    }
    assert.equal(pods.asked, 0);
  });

  it('outside Kubernetes has a unit or a job, and no directory is needed', async (t) => {
    const tree = new FixtureTree(t);
    tree.file('1/cgroup', '0::/system.slice/ollama.service\n');
    tree.file('2/cgroup', '0::/system.slice/slurmstepd.scope/job_123/step_0\n');
    const workloads = new WorkloadResolver({ procRoot: tree.root });
    const empty = { containerId: '', podUid: '', namespace: '', pod: '', container: '' };
    assert.deepEqual(workloads.name(await workloads.identify(1)), {
      ...empty,
      systemdUnit: 'ollama.service',
      owner: 'unit:ollama.service',
    });
    assert.deepEqual(workloads.name(await workloads.identify(2)), { ...empty, slurmJobId: '123', owner: 'slurm:123' });
  });
});

describe('the first of two directories', () => {
  const query = { podUid: UID, containerId: ID };

  it('answers alone when it knows all, and is helped out when not', () => {
    const [first, second] = [new FakeDirectory(), new FakeDirectory()];
    const both = new FirstOf(first, second);
    assert.equal(both.lookup(query), undefined);
    second.name = { ...NAME, podUid: 'hash' };
    assert.deepEqual(both.lookup(query), second.name);
    first.name = { ...NAME, container: '' };
    assert.deepEqual(both.lookup(query), NAME);
    first.name = NAME;
    const { asked } = second;
    assert.deepEqual(both.lookup(query), NAME);
    assert.equal(second.asked, asked);
  });

  it('starts, stops and tells for both', async () => {
    const [first, second] = [new FakeDirectory(), new FakeDirectory()];
    const both = new FirstOf(first, second);
    let changes = 0;
    both.onChange(() => changes++);
    await both.start();
    await both.stop();
    for (const { calls, listeners } of [first, second]) {
      assert.deepEqual(calls, ['start', 'stop']);
      listeners.forEach((listener) => listener());
    }
    assert.equal(changes, 2);
  });
});
