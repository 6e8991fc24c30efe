// Containers at the jobs' socket that have the host's pid namespace, and so see the processes of all others.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { removeCgroup } from '../helpers/cgroups.js';
import { aClient, anEvent, aWorkload } from '../helpers/events.js';
import { openFolder, serveJobs } from '../helpers/jobs-socket.js';
import { SocketPeer } from '../helpers/socket-peer.js';
import { waitFor } from '../helpers/wait-for.js';
import { AMD64, NOTHING } from './podman.js';

/** Podman may take its time to start a container. */
const DEADLINE_MS = 120_000;

/** A container of a pod that follows its events. */
function follow(t: TestContext, socketFolder: string, podUid: string): SocketPeer {
  const name = `xe-jobs-${podUid}`;
  const options = [
    '--pid=host',
    `--name=${name}`,
    `--cgroup-parent=/kubepods/pod${podUid}`,
    `--volume=${socketFolder}:/run/xe-exporter:ro`,
    `--volume=${process.cwd()}:${process.cwd()}:ro`,
    '--entrypoint=',
  ];
  const launcher = ['podman', 'run', '--rm', ...NOTHING, ...options, AMD64.name];
  const peer = new SocketPeer(t, '/run/xe-exporter/jobs.sock', { launcher, node: '/usr/local/bin/node' });
  t.after(async () => {
    spawnSync('podman', ['rm', '--force', '--time=0', name]);
    await waitFor(() => removeCgroup(`kubepods/pod${podUid}/conmon`), { what: 'podman to leave the cgroup' });
  });
  return peer;
}

it("a container with the host's pid namespace hears of its own pod, and of nobody else", async (t) => {
  const folder = openFolder(t);
  const { sink } = await serveJobs(t, {}, join(folder, 'jobs.sock'));
  const pods = [randomUUID(), randomUUID()];
  const peers = pods.map((uid) => follow(t, folder, uid));
  await waitFor(() => peers.every(({ body }) => body.includes('retry: ')), {
    what: 'both containers to listen',
    deadlineMs: DEADLINE_MS,
  });
  for (let round = 0; round < 10; round++)
    for (const podUid of pods) {
      const workload = aWorkload({ podUid, owner: `pod:${podUid}` });
      sink.accept(anEvent({ client: aClient({ workload }) }));
    }
  for (const [index, peer] of peers.entries()) {
    await waitFor(() => peer.events.length === 10, { what: 'its ten events', deadlineMs: DEADLINE_MS });
    const uids = peer.events.map(({ data }) => (data['attributes'] as Record<string, unknown>)['k8s.pod.uid']);
    assert.deepEqual([...new Set(uids)], [pods[index]]);
  }
});
