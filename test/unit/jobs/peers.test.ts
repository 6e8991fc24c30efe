// Real processes on a real socket: who they are is what the kernel says.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { aClient, anEvent, aWorkload } from '../../helpers/events.js';
import { cgroupRoot, makeCgroup } from '../../helpers/cgroups.js';
import { serveJobs } from '../../helpers/jobs-socket.js';
import { SocketPeer } from '../../helpers/socket-peer.js';
import { waitFor } from '../../helpers/wait-for.js';

const skip = cgroupRoot === undefined && 'needs a cgroup2 that this user may write to';

interface Pod {
  readonly uid: string;
  readonly path: string;
  readonly client: ReturnType<typeof aClient>;
}

function aPod(name: string): Pod {
  const uid = randomUUID();
  const workload = aWorkload({ podUid: uid, pod: name, owner: `pod:${uid}` });
  return { uid, path: `kubepods/pod${uid}/${'c'.repeat(64)}`, client: aClient({ workload }) };
}

describe('a job on the socket', { skip }, () => {
  it('hears of its own events and of no others, with ids of its own', async (t) => {
    const { path, sink, counted } = await serveJobs(t);
    const [a, b] = [aPod('a'), aPod('b')];
    const [ofA, ofB] = await Promise.all(
      [a, b].map((pod) => new SocketPeer(t, path, { cgroup: makeCgroup(t, pod.path) }).streaming()),
    );
    for (let index = 1; index <= 100; index++) {
      sink.accept(anEvent({ client: index % 2 ? a.client : b.client, sequence: index, vmId: index }));
    }
    for (const [peer, pod, rest] of [
      [ofA!, a, 1],
      [ofB!, b, 0],
    ] as const) {
      await waitFor(() => peer.events.length === 50, { what: `50 events, not ${peer.events.length}` });
      const numbers = peer.events.map(({ id }) => Number(id.split('-')[1]));
      assert.deepEqual(
        numbers,
        Array.from({ length: 50 }, (_, index) => index + 1),
      );
      for (const { data } of peer.events) {
        const attributes = data['attributes'] as Record<string, unknown>;
        assert.equal(attributes['k8s.pod.uid'], pod.uid);
        assert.equal(Number(attributes['xe.vm.id']) % 2, rest);
        assert.match(String(attributes['xe.event.id']), /^[0-9a-f]{32}$/);
      }
    }
    assert.deepEqual([counted.subscribers, counted.answered], [2, 2]);
  });

  it('gets what it missed when it comes back', async (t) => {
    const { path, sink } = await serveJobs(t);
    const pod = aPod('a');
    const cgroup = makeCgroup(t, pod.path);
    const first = await new SocketPeer(t, path, { cgroup }).streaming();
    sink.accept(anEvent({ client: pod.client, vmId: 1 }));
    await waitFor(() => first.events.length === 1, { what: 'the first event' });
    first.child.kill();
    await first.ended;
    sink.accept(anEvent({ client: pod.client, vmId: 2 }));
    sink.accept(anEvent({ client: aPod('b').client, vmId: 3 }));
    const again = new SocketPeer(t, path, { cgroup, headers: [`Last-Event-ID:${first.lastId}`] });
    await waitFor(() => again.events.length === 1, { what: 'the event it missed', deadlineMs: 20_000 });
    assert.equal((again.events[0]?.data['attributes'] as Record<string, unknown>)['xe.vm.id'], 2);
  });

  it('with too many events is told how many it was not told, whatever it asks for and also when it comes back', async (t) => {
    const { path, sink } = await serveJobs(t, { burst: 3 });
    const [loud, quiet] = [aPod('loud'), aPod('quiet')];
    const cgroup = makeCgroup(t, loud.path);
    const all = await new SocketPeer(t, path, { cgroup }).streaming();
    const wedgedOnly = await new SocketPeer(t, path, { cgroup, path: '/events?event=xe.device.wedged' }).streaming();
    const other = await new SocketPeer(t, path, { cgroup: makeCgroup(t, quiet.path) }).streaming();
    for (let index = 1; index <= 200; index++) sink.accept(anEvent({ client: loud.client, sequence: index }));
    sink.accept(anEvent({ client: quiet.client, sequence: 201 }));
    const gaps = ({ events }: SocketPeer) => events.filter(({ event }) => event === 'gap').map(({ data }) => data);
    await waitFor(() => gaps(all).length > 0 && gaps(wedgedOnly).length > 0, { what: 'a gap', deadlineMs: 20_000 });
    const told = all.events.filter(({ event }) => event !== 'gap').length;
    assert.ok(told >= 3, `${told} events`);
    const expected = [{ reason: 'rate_limited', missed: 200 - told }];
    assert.deepEqual(gaps(all), expected);
    assert.deepEqual(gaps(wedgedOnly), expected);
    assert.equal(wedgedOnly.events.length, 1);
    const again = new SocketPeer(t, path, { cgroup, headers: [`Last-Event-ID:${all.events[0]!.id}`] });
    await waitFor(() => gaps(again).length > 0, { what: 'the gap again', deadlineMs: 20_000 });
    assert.deepEqual(gaps(again), expected);
    await waitFor(() => other.events.length > 0, { what: 'the event of the other', deadlineMs: 20_000 });
    assert.deepEqual(gaps(other), []);
  });

  it('asks why it ended last, and how its devices are', async (t) => {
    const since = { sinceMs: 0, reason: 'ok', advice: '' } as const;
    const health = [
      {
        pciBdf: '0000:03:00.0',
        state: 'recovering',
        ...since,
        cause: { event: 'xe.job.timeout', id: 'i-1', time: 't', body: 'somebody' },
      },
      { pciBdf: '0000:04:00.0', state: 'ok', ...since, cause: undefined },
    ] as const;
    const { path, sink } = await serveJobs(t, { health: () => health });
    const pod = aPod('a');
    const cgroup = makeCgroup(t, pod.path);
    const ask = async (what: string): Promise<unknown> => {
      const peer = await new SocketPeer(t, path, { path: what, cgroup }).answered();
      assert.equal(peer.status, 200, peer.body);
      return JSON.parse(peer.body);
    };
    const workload = { 'container.id': 'c'.repeat(64), 'k8s.pod.uid': pod.uid };
    assert.deepEqual(await ask('/last'), { schema: 1, workload, last: null });
    assert.deepEqual(await ask('/devices'), { devices: [] });

    sink.clientListener.added?.({
      client: pod.client,
      holders: [],
      watched: true,
      removalMayBeLost: false,
      absences: 0,
    });
    sink.accept(anEvent({ client: pod.client, realtimeNs: BigInt(Date.now()) * 1_000_000n }));
    const { last } = (await ask('/last')) as { last: { reason: string; event: { event_name: string }; time: string } };
    assert.deepEqual([last.reason, last.event.event_name], ['memory', 'xe.vm.rebind_error']);
    assert.ok(Date.now() - Date.parse(last.time) < 60_000);
    const { devices } = (await ask('/devices')) as {
      devices: { pci_bdf: string; cause: { id: string; body: string } }[];
    };
    assert.deepEqual(
      devices.map(({ pci_bdf }) => pci_bdf),
      ['0000:03:00.0'],
    );
    assert.match(devices[0]!.cause.id, /^[0-9a-f]{32}$/);
    assert.equal(devices[0]!.cause.body, 'a job timed out and was stopped');
  });

  it('of no workload is told what to do', async (t) => {
    const { path, counted } = await serveJobs(t);
    const peer = await new SocketPeer(t, path, { cgroup: makeCgroup(t, `loose-${randomUUID()}`) }).answered();
    assert.equal(peer.status, 403);
    assert.match(
      peer.body,
      /belongs to no pod, container, systemd unit or Slurm job\. Start the job .*XEE_JOBS_NO_WORKLOAD/,
    );
    assert.equal(counted.unidentified, 1);
  });
});
