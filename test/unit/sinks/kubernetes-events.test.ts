import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import { MAX_MESSAGE_BYTES, messageOf, whatHappened } from '../../../exporter/sinks/kubernetes-events/message.js';
import { aClient, aDevice, anEvent, aWorkload } from '../../helpers/events.js';
import { NODE } from '../../helpers/kube-api.js';
import { waitFor } from '../../helpers/wait-for.js';
import { setting, inPod, oom, times } from './kubernetes-events-setting.js';

describe('the Event of a pod that ran out of GPU memory', () => {
  it('stands with the pod, and says what happened, where, and what to do', async (t) => {
    const { api, publish, events } = await setting(t);
    publish(oom());
    const [event] = await waitFor(() => events().length === 1 && events(), { what: 'the Event' });
    const { name } = event!.metadata;
    assert.match(name, /^train-0\.[0-9a-f]{16}$/);
    assert.deepEqual(event, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name,
        namespace: 'ml',
        annotations: { 'xe.event.id': '11111111-2222-4333-8444-555555555555-1' },
      },
      involvedObject: {
        kind: 'Pod',
        apiVersion: 'v1',
        namespace: 'ml',
        name: 'train-0',
        uid: inPod('train-0').workload!.podUid,
      },
      type: 'Warning',
      reason: 'XeVMRebindOOM',
      message:
        'Process python3 of container main ran out of memory on GPU 0000:03:00.0 of node gpu-node-1 (ENOMEM): the driver stopped its GPU VM 5, ' +
        'and the job has probably lost the device. Run fewer jobs on this GPU or give each less memory, then restart this one.',
      count: 1,
      firstTimestamp: '2026-01-31T12:00:00Z',
      lastTimestamp: '2026-01-31T12:00:00Z',
      source: { component: 'xe-exporter', host: NODE },
      reportingComponent: 'xe-exporter',
      reportingInstance: 'xe-exporter-abcde',
    });
    assert.deepEqual(
      api.writes().map(({ method }) => method),
      ['POST'],
    );
  });

  it('of a static pod stands where kubectl describe looks for it', async (t) => {
    const { publish, events } = await setting(t);
    const staticPodUid = '1d7a3c0f9b8e4d2c6a5f00112233aabb';
    publish(oom('train-0', { client: aClient({ workload: aWorkload({ staticPodUid }) }) }));
    const [event] = await waitFor(() => events().length === 1 && events(), { what: 'the Event' });
    assert.equal(event!.involvedObject.uid, staticPodUid);
  });

  it('comes of ENOMEM and ENOSPC, and of nobody who is in no pod', async (t) => {
    const { sink, publish, events } = await setting(t);
    publish(
      oom('etime', { errorCode: -62 }),
      anEvent({ client: aClient() }),
      anEvent({ client: aClient({ workload: aWorkload({ pod: '', namespace: '' }) }) }),
      anEvent({ client: undefined }),
      oom('enospc', { errorCode: -28 }),
    );
    await sink.close(2_000);
    assert.deepEqual(
      events().map(({ involvedObject, reason }) => [involvedObject['name'], reason]),
      [
        ['etime', 'XeVMRebindError'],
        ['enospc', 'XeVMRebindOOM'],
      ],
    );
  });

  it('counts the errors of one container on one GPU, and is one request for all of one moment', async (t) => {
    const { publish, events, requests, settled } = await setting(t);
    publish(...times(7));
    await settled(7);
    assert.deepEqual(requests, { created: 1, updated: 0, failed: 0 });
    publish(oom('train-0', { realtimeNs: 1_769_860_865_000_000_000n, sequence: 8 }));
    await settled(8);
    const [event] = events();
    assert.equal(events().length, 1);
    assert.equal(event!.lastTimestamp, '2026-01-31T12:01:05Z');
    assert.equal(event!.firstTimestamp, '2026-01-31T12:00:00Z');
    assert.match(event!.message, / This has happened 8 times since 2026-01-31T12:00:00Z\. /);
    assert.match(event!.metadata.annotations['xe.event.id']!, /-8$/);
    assert.deepEqual(requests, { created: 1, updated: 1, failed: 0 });
  });

  it('is one for each container, GPU and pod', async (t) => {
    const { publish, sink, events } = await setting(t);
    const other = aDevice({ pciBdf: '0000:04:00.0' });
    publish(
      ...times(3),
      oom('train-1'),
      anEvent({ client: inPod('train-0', { device: other }), device: other }),
      anEvent({ client: aClient({ workload: { ...inPod('train-0').workload!, container: 'sidecar' } }) }),
    );
    await sink.close(2_000);
    assert.deepEqual(
      events().map(({ count }) => count),
      [3, 1, 1, 1],
    );
  });

  it('begins anew after a quiet time', async (t) => {
    let now = 1_000;
    const { publish, events, settled, requests } = await setting(t, { now: () => now, limits: { quietMs: 60_000 } });
    publish(oom());
    await waitFor(() => requests['created'] === 1, { what: 'the first Event' });
    now += 60_000;
    publish(oom());
    await settled(2);
    assert.equal(events().length, 2);
  });

  it('says what became of the job', async (t) => {
    const { publish, events, told, settled } = await setting(t);
    const client = inPod('train-0', { drmClientId: 7 });
    publish(anEvent({ client }));
    await settled(1);
    const outcome = (given: Partial<DeviceEvent>): DeviceEvent =>
      anEvent({ definition: vmRebindOutcome, client, ...given });
    publish(
      outcome({ outcome: 'repeated' }),
      outcome({ outcome: 'exited', client: inPod('train-0', { drmClientId: 8 }) }),
    );
    publish(outcome({ outcome: 'survived' }));
    await waitFor(() => events()[0]!.message.includes('still has the GPU open'), { what: 'its outcome' });
    assert.equal(told(), 1);
    publish(anEvent({ client }), outcome({ outcome: 'exited' }));
    await waitFor(() => events()[0]!.message.includes('has since closed the GPU'), { what: 'the later outcome' });
    assert.doesNotMatch(events()[0]!.message, /still has/);
    assert.equal(told(), 2);
  });

  it('marks a victim that is concluded, apart from one the kernel names', async (t) => {
    const { publish, sink, events } = await setting(t);
    const inferred = { client: inPod('train-0'), evidence: 'client_closed' } as const;
    publish(oom(), anEvent({ client: undefined, device: aDevice(), vmId: 0, inferred }));
    await sink.close(2_000);
    const [named, concluded] = events();
    assert.equal(named!.metadata.annotations['xe.victim.inferred'], undefined);
    assert.match(concluded!.message, /^Probably process python3 of container main ran out of memory/);
    assert.match(
      concluded!.message,
      /The kernel does not name the victim; this pod was chosen because its process was the only one that closed the GPU at that moment\.$/,
    );
    assert.equal(concluded!.metadata.annotations['xe.victim.inferred'], 'true');
    assert.equal(concluded!.metadata.annotations['xe.victim.evidence'], 'client_closed');
  });

  it('says how full the GPU was and names no other pod', () => {
    const held = [{ region: 'vram0', residentBytes: 1024 ** 3 }];
    const memory = {
      device: aDevice(),
      realtimeNs: 0n,
      regions: [{ region: 'vram0', usedBytes: 12 * 1024 ** 3, sizeBytes: 12 * 1024 ** 3 }],
      clients: [{ drmClientId: 1, owner: 'other/team/main', regions: held }],
      everyClient: true,
      evictedFor: [],
      ageMs: 0,
    };
    const text = whatHappened(oom('train-0', { memory }), { nodeName: NODE, includeProcess: false });
    assert.match(text, /^Container main ran out .* The GPU had vram0 12\.0 of 12\.0 GiB used\.$/);
    assert.doesNotMatch(text, /other/);
  });

  it('has a message within the bounds of the API, whatever a process is called', () => {
    const name = fc.string({ unit: 'binary', maxLength: 300 });
    fc.assert(
      fc.property(
        name,
        fc.string({ maxLength: 1500 }),
        fc.integer({ min: 1, max: 1e9 }),
        (executable, nodeName, count) => {
          const client = inPod('train-0', { process: { ...aClient().process, executable } });
          const what = whatHappened(anEvent({ client }), { nodeName, includeProcess: true });
          const message = messageOf({
            what,
            count,
            since: 'then',
            outcome: 'exited',
            advice: '',
            evidence: 'only_client',
          });
          assert.ok(Buffer.byteLength(message) <= MAX_MESSAGE_BYTES);
          assert.doesNotMatch(message, /[\p{Cc}\p{Cf}\p{Cs}\ufffd]/u);
        },
      ),
      { numRuns: 50 },
    );
    const hostile = inPod('train-0', {
      process: { ...aClient().process, executable: '\u001b[2J\n\u202egnp.exe\ud800' },
    });
    const what = whatHappened(anEvent({ client: hostile }), { nodeName: NODE, includeProcess: true });
    const message = messageOf({ what, count: 1, since: '', outcome: undefined, advice: '', evidence: undefined });
    assert.match(message, /^Process \?\[2J\?\?gnp\.exe\? of container main/);
  });

  it('has a name the API takes also for the longest name of a pod', async (t) => {
    const { publish, sink, events } = await setting(t);
    publish(oom(`${'a'.repeat(235)}.${'b'.repeat(17)}`));
    await sink.close(2_000);
    assert.match(events()[0]!.metadata.name, /^a{235}\.[0-9a-f]{16}$/);
  });
});

describe('the rate', () => {
  it('of a pod is bounded, and the count is made up for', async (t) => {
    const intervalMs = 500;
    const { api, publish, settled, told, sink } = await setting(t, { limits: { podPace: { burst: 2, intervalMs } } });
    const begin = performance.now();
    for (const count of [1, 2]) {
      publish(oom());
      await settled(count);
    }
    publish(...times(50), oom('other'));
    await settled(53);
    const [, , other, third] = api.writes();
    assert.ok(third!.at - begin >= intervalMs);
    assert.ok(other!.at <= third!.at, 'another pod does not wait for it');
    assert.equal(api.writes().length, 4);
    publish(oom());
    await sink.close(2_000);
    assert.equal(told(), 54, 'the end does not wait for the rate');
  });

  it('of all pods together is bounded', async (t) => {
    const totalPace = { burst: 10, intervalMs: 40 };
    const { api, publish, settled } = await setting(t, { limits: { totalPace } });
    const begin = performance.now();
    publish(...times(20, (index) => oom(`pod-${index}`)));
    await settled(20);
    const arrivals = api.writes().map(({ at }) => at);
    arrivals.slice(10).forEach((at, index) => {
      assert.ok(at - begin >= (index + 1) * totalPace.intervalMs, `write ${index + 10}`);
    });
  });

  it('of a storm is that of a few errors: 10,000 on 20 pods', async (t) => {
    const real = { podPace: { burst: 5, intervalMs: 30_000 }, totalPace: { burst: 50, intervalMs: 1_000 } };
    const { api, sink, publish, told, dropped } = await setting(t, { limits: real });
    for (let batch = 0; batch < 100; batch++) {
      publish(...times(100, (index) => oom(`pod-${index % 20}`)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await sink.close(5_000);
    assert.equal(told(), 10_000);
    assert.deepEqual(dropped, {});
    assert.ok(api.writes().length <= 20 * 6 + 50, `${api.writes().length} requests`);
  });
});

describe('bounds', () => {
  it('the table is bounded: what is idle makes room, what waits does not', async (t) => {
    const limits = { maxSeries: 3 };
    const { api, publish, requests, dropped } = await setting(t, { limits });
    publish(oom('a'), oom('b'));
    await waitFor(() => requests['created'] === 2, { what: 'two Events' });
    api.faults.write.push('silence', 'silence');
    publish(oom('c'), oom('d'), oom('e'), oom('f'), oom('c'));
    assert.deepEqual(dropped, { queue_full: 1 });
  });
});
