// Processes that pretend: real ones, in namespaces and cgroups of their own. None hears anything of another pod.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { aClient, anEvent, aWorkload } from '../../helpers/events.js';
import { cgroupRoot, IN_CGROUP, makeCgroup } from '../../helpers/cgroups.js';
import { openFolder, serveJobs, type ServedJobs } from '../../helpers/jobs-socket.js';
import { ASK, SocketPeer } from '../../helpers/socket-peer.js';
import { waitFor } from '../../helpers/wait-for.js';

const canUnshare = spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status === 0;
const skip = (cgroupRoot === undefined || !canUnshare) && 'needs root: cgroups and namespaces of its own';
const needsPython =
  spawnSync('python3', ['-c', 'import socket; socket.send_fds']).status !== 0 && 'needs python3, 3.9 or newer';

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
      const folder = openFolder(t);
      const served = await serveJobs(t, {}, join(folder, 'jobs.sock'));
      const [own, other] = [aPod(t), aPod(t)];
      // The checkout may be in a folder that only its owner may enter.
      const script = join(folder, 'ask-socket.mjs');
      copyFileSync(ASK, script);
      await hearsOnly(new SocketPeer(t, served.path, { cgroup: own.cgroup, launcher, script }), served, own, other);
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

  it(
    'when the socket was connected by a process of another pod, which then speaks for that pod',
    { skip: needsPython },
    async (t) => {
      const served = await serveJobs(t);
      const [giver, taker] = [aPod(t), aPod(t)];
      const [program = '', ...args] = [...IN_CGROUP, giver.cgroup, 'python3', '-c', PASS_ON, served.path, taker.cgroup];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
      const closed = once(child, 'close');
      t.after(async () => {
        process.kill(-child.pid!, 'SIGKILL');
        await closed;
      });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
      await waitFor(() => said.includes('retry: '), { what: `the stream: ${said}`, deadlineMs: 20_000 });
      for (const { uid } of [taker, giver, taker]) {
        served.sink.accept(anEvent({ client: aClient({ workload: aWorkload({ podUid: uid, owner: `pod:${uid}` }) }) }));
      }
      await waitFor(() => said.includes('data: '), { what: 'the event' });
      assert.deepEqual(
        [...said.matchAll(/"k8s\.pod\.uid":"([^"]+)"/g)].map(([, uid]) => uid),
        [giver.uid],
      );
    },
  );
});

/** The first process connects and passes the socket to a second one, which goes to another cgroup and asks. */
const PASS_ON = `
import os, socket, sys
path, cgroup = sys.argv[1:]
ours, theirs = socket.socketpair(socket.AF_UNIX)
if os.fork():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(ours, [b'x'], [connection.fileno()])
    connection.close()
    os.wait()
else:
    with open(cgroup + '/cgroup.procs', 'w') as file: file.write(str(os.getpid()))
    _, (fd,), _, _ = socket.recv_fds(theirs, 1, 1)
    connection = socket.socket(fileno=fd)
    connection.sendall(b'GET /events HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    while data := connection.recv(65536): os.write(1, data)
`;
