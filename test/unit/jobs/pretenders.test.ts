// Processes that pretend: real ones, in namespaces and cgroups of their own. None hears anything of another pod.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { aClient, anEvent, aWorkload } from '../../helpers/events.js';
import { cgroupRoot, makeCgroup } from '../../helpers/cgroups.js';
import { serveJobs, type ServedJobs } from '../../helpers/jobs-socket.js';
import { SocketPeer } from '../../helpers/socket-peer.js';
import { waitFor } from '../../helpers/wait-for.js';

const canUnshare = spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status === 0;
const skip = (cgroupRoot === undefined || !canUnshare) && 'needs root: cgroups and namespaces of its own';

interface Pod {
  readonly uid: string;
  readonly path: string;
  readonly cgroup: string;
}

function aPod(t: Pick<TestContext, 'after'>): Pod {
  const uid = randomUUID();
  const path = `kubepods/pod${uid}/${'c'.repeat(64)}`;
  return { uid, path, cgroup: makeCgroup(t, path) };
}

/** Errors of both pods; the peer has to hear of those of `own`. */
async function hearsOnly(peer: SocketPeer, { sink }: ServedJobs, own: Pod, other: Pod): Promise<void> {
  await peer.streaming();
  for (const { uid } of [other, own, other]) {
    const workload = aWorkload({ podUid: uid, owner: `pod:${uid}` });
    sink.accept(anEvent({ client: aClient({ workload }) }));
  }
  await waitFor(() => peer.events.length > 0, { what: 'its own event' });
  const uids = peer.events.map(({ data }) => (data['attributes'] as Record<string, unknown>)['k8s.pod.uid']);
  assert.deepEqual(uids, [own.uid]);
}

describe('a process is who the kernel says, also', { skip }, () => {
  const launchers: Readonly<Record<string, readonly string[]>> = {
    'in a mount namespace of its own, with another /proc': ['unshare', '--mount', '--pid', '--fork', '--mount-proc'],
    'in a pid namespace that hides the host': ['unshare', '--pid', '--fork'],
    'in a user namespace where it is root': ['unshare', '--user', '--map-root-user'],
    'in a cgroup namespace where its cgroup is the root': ['unshare', '--cgroup'],
    'in the pid namespace of the host': [],
    'as another user': ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
  };
  for (const [what, launcher] of Object.entries(launchers)) {
    it(what, async (t) => {
      const served = await serveJobs(t, {}, join(openFolder(t), 'jobs.sock'));
      const [own, other] = [aPod(t), aPod(t)];
      await hearsOnly(new SocketPeer(t, served.path, { cgroup: own.cgroup, launcher }), served, own, other);
    });
  }

  it('through a read-only mount of the folder', async (t) => {
    const served = await serveJobs(t);
    const [own, other] = [aPod(t), aPod(t)];
    const folder = dirname(served.path);
    const script = `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder} && ! touch ${folder}/x 2>/dev/null && exec "$@"`;
    const launcher = ['unshare', '--mount', 'sh', '-c', script, 'sh'];
    await hearsOnly(new SocketPeer(t, served.path, { cgroup: own.cgroup, launcher }), served, own, other);
  });

  it('in a cgroup that it made below its own and named as the other pod', async (t) => {
    const served = await serveJobs(t);
    const [own, other] = [aPod(t), aPod(t)];
    const forged = makeCgroup(
      t,
      `${own.path}/kubepods-pod${other.uid.replaceAll('-', '_')}.slice/cri-containerd-${'d'.repeat(64)}.scope`,
    );
    const peer = await new SocketPeer(t, served.path, { cgroup: forged }).streaming();
    const insider = new SocketPeer(t, served.path, { cgroup: own.cgroup });
    await hearsOnly(insider, served, own, other);
    assert.deepEqual(peer.events, []);
  });
});

/** A folder that other users can enter. */
function openFolder(t: Pick<TestContext, 'after'>): string {
  const path = join('/tmp', `xe-jobs-${randomUUID()}`);
  mkdirSync(path, { mode: 0o755 });
  t.after(() => spawnSync('rm', ['-rf', path]));
  return path;
}
