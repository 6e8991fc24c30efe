// Two pods on one GPU, each with a job that listens on the jobs' socket as an ordinary user: each hears of its own errors, and only of those.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { after, test, type TestContext } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { SocketPeer } from '../../helpers/socket-peer.js';
import { GPU0, postVmError, RENDER0, startClientIn, waitFor, wedge, type GuestClient } from '../guest-lib.js';

const CGROUPS = '/sys/fs/cgroup';
const SOCKET = '/tmp/jobs/jobs.sock';
const IN_FLIGHT = 100;
const USER = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];

const trace = /xestub\.trace=(\S+)/.exec(readFileSync('/proc/cmdline', 'utf8'))?.[1];
/** Each needs a VM of its own where the trace has to tell. */
const ERRORS = trace === undefined ? 1000 : 200;

interface Pod {
  readonly uid: string;
  readonly cgroup: string;
  readonly client: GuestClient;
  readonly peer: SocketPeer;
  errors: number;
}

spawnSync('mount', ['-t', 'cgroup2', 'none', CGROUPS]);
const exporter = await ExporterProcess.serve({ args: [`--jobs-socket=${SOCKET}`] });
after(() => exporter.stop('SIGKILL'));

async function startPod(t: TestContext, index: number): Promise<Pod> {
  const uid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const slice = `kubepods.slice/kubepods-pod${uid.replaceAll('-', '_')}.slice`;
  const cgroup = `${CGROUPS}/${slice}/cri-containerd-${String(index).repeat(64)}.scope`;
  mkdirSync(cgroup, { recursive: true });
  const client = await startClientIn(t, { files: [RENDER0], cgroup, uid: 1000 });
  const peer = await new SocketPeer(t, SOCKET, { cgroup, launcher: USER }).streaming();
  return { uid, cgroup, client, peer, errors: 0 };
}

async function lose({ client }: Pod, vm: number): Promise<void> {
  if (trace === undefined) return postVmError({ client: client.id, vm });
  const own = await client.createVm();
  postVmError({ client: client.id, vm: own, log: true });
  await client.send(`unvm 0 ${own}`);
}

const errorsOf = ({ peer }: Pod) => peer.events.filter(({ event }) => event === 'xe.vm.rebind_error');

test(`${ERRORS} errors of two pods on one GPU, and none is crossed`, async (t) => {
  const pods = [await startPod(t, 1), await startPod(t, 2)];
  await waitFor('both clients', async () => {
    const metrics = await exporter.metrics();
    const known = trace === undefined ? 'xe_clients_watched' : 'xe_clients';
    return metrics.get(`${known}{pci_bdf="${GPU0}"}`) === 2;
  });
  for (let posted = 1; posted <= ERRORS; posted++) {
    // As many to each: an error has an outcome too, and a workload is told 1,024 events at once (EVENTS_OF_A_WORKLOAD).
    const pod = pods[(posted >> 1) % 2]!;
    await lose(pod, ++pod.errors);
    if (posted % IN_FLIGHT === 0) {
      await waitFor('the jobs to hear', () => pods.every((each) => errorsOf(each).length === each.errors), 60_000);
    }
  }
  assert.equal(pods[0]!.errors + pods[1]!.errors, ERRORS);
  for (const pod of pods) {
    for (const { data } of pod.peer.events) {
      const attributes = data['attributes'] as Record<string, unknown>;
      assert.equal(attributes['k8s.pod.uid'], pod.uid);
      assert.equal(attributes['xe.victim.inferred'], undefined);
    }
    const numbers = pod.peer.events.map(({ id }) => Number(id.split('-')[1]));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
      'numbered for this pod alone',
    );
    const last = await new SocketPeer(t, SOCKET, { path: '/last', cgroup: pod.cgroup, launcher: USER }).answered();
    assert.equal((JSON.parse(last.body) as { last: { reason: string } }).last.reason, 'memory');
  }

  wedge(GPU0);
  for (const { peer } of pods) {
    await waitFor('both to hear that the GPU is wedged', () =>
      peer.events.some(({ event }) => event === 'xe.device.wedged'),
    );
  }
});
