import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { XeClient } from '../../../exporter/clients/client.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { deviceWedged } from '../../../exporter/events/definitions/device-wedged.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import { KubernetesEventsSink, type KubernetesEventsLimits } from '../../../exporter/sinks/kubernetes-events/sink.js';
import { MAX_MESSAGE_BYTES, messageOf, whatHappened } from '../../../exporter/sinks/kubernetes-events/message.js';
import { FeatureBoard, type FeatureReport } from '../../../exporter/features.js';
import { createLogger } from '../../../exporter/logger.js';
import { aClient, aDevice, anEvent, aWorkload } from '../../helpers/events.js';
import { ExporterProcess, type LogLine } from '../../helpers/exporter-process.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { KubeApi, NODE, type Fault, type StoredEvent } from '../../helpers/kube-api.js';
import { waitFor } from '../../helpers/wait-for.js';

/** Fast, where a test does not say otherwise. */
const QUICK: Partial<KubernetesEventsLimits> = {
  podPace: { burst: 1000, intervalMs: 1 },
  totalPace: { burst: 1000, intervalMs: 1 },
  backoff: { firstMs: 2, maxMs: 20, random: () => 0 },
};

interface Setting {
  readonly api: KubeApi;
  readonly sink: KubernetesEventsSink;
  readonly log: Record<string, unknown>[];
  readonly reports: FeatureReport[];
  readonly requests: Record<string, number>;
  readonly dropped: Record<string, number>;
  /** Hands events over as the bus does: what is refused counts as dropped. */
  publish(...events: DeviceEvent[]): void;
  /** What the API server has, the oldest first. */
  events(): StoredEvent[];
  told(): number;
  /** Waits until Events tell of so many, and the sink knows. */
  settled(count: number): Promise<unknown>;
}

async function setting(
  t: TestContext,
  {
    limits = {},
    prepare,
    now,
  }: { limits?: Partial<KubernetesEventsLimits>; prepare?: (api: KubeApi) => void; now?: () => number } = {},
): Promise<Setting> {
  const api = await KubeApi.open(t);
  prepare?.(api);
  const features = new FeatureBoard();
  const reports: FeatureReport[] = [];
  features.subscribe((report) => reports.push(report));
  const log: Record<string, unknown>[] = [];
  const write = (line: string): unknown => log.push(JSON.parse(line) as Record<string, unknown>);
  const requests: Record<string, number> = { created: 0, updated: 0, failed: 0 };
  const dropped: Record<string, number> = {};
  const drop = (reason: string, count: number): unknown => (dropped[reason] = (dropped[reason] ?? 0) + count);
  const sink = new KubernetesEventsSink({
    access: api.access(),
    features,
    logger: createLogger({ level: 'debug', format: 'json', stream: { write } }),
    nodeName: NODE,
    instance: 'xe-exporter-abcde',
    instanceId: '11111111-2222-4333-8444-555555555555',
    includeProcess: true,
    accounting: { requested: (result) => requests[result]!++, dropped: drop },
    limits: { ...QUICK, ...limits },
    ...(now && { now }),
  });
  t.after(() => sink.close(0));
  const events = (): StoredEvent[] => [...api.events.values()];
  const told = (): number => sum(events().map(({ count }) => count));
  const answered = (): boolean => sum(Object.values(requests)) >= api.writes().length;
  return {
    api,
    sink,
    log,
    reports,
    requests,
    dropped,
    publish: (...given) => {
      for (const event of given) {
        const refused = sink.accept(event);
        if (refused !== undefined) drop(refused, 1);
      }
    },
    events,
    told,
    settled: (count) => waitFor(() => told() === count && answered(), { what: `${count} errors told` }),
  };
}

/** A client in pod `<pod>` of namespace ml. */
function inPod(pod: string, given: Partial<XeClient> = {}, namespace = 'ml'): XeClient {
  const podUid = `00000000-0000-4000-8000-${Buffer.from(pod).toString('hex').slice(-12).padStart(12, '0')}`;
  return aClient({ workload: aWorkload({ pod, podUid, namespace }), ...given });
}

const oom = (pod = 'train-0', given: Partial<DeviceEvent> = {}): DeviceEvent =>
  anEvent({ client: inPod(pod), ...given });
const times = (count: number, make: (index: number) => DeviceEvent = () => oom()): DeviceEvent[] =>
  Array.from({ length: count }, (_, index) => make(index));
const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

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

  it('comes of ENOMEM and ENOSPC of a pod, and of nothing else', async (t) => {
    const { sink, publish, events } = await setting(t);
    publish(
      oom('etime', { errorCode: -62 }),
      oom('ebusy', { errorCode: -16 }),
      oom('wedged', { definition: deviceWedged }),
      anEvent({ client: aClient() }),
      anEvent({ client: aClient({ workload: aWorkload({ pod: '', namespace: '' }) }) }),
      anEvent({ client: undefined }),
      oom('enospc', { errorCode: -28 }),
    );
    await sink.close(2_000);
    assert.deepEqual(
      events().map(({ involvedObject }) => involvedObject['name']),
      ['enospc'],
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
          const message = messageOf({ what, count, since: 'then', outcome: 'exited', evidence: 'only_client' });
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
    const message = messageOf({ what, count: 1, since: '', outcome: undefined, evidence: undefined });
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

describe('an API server that refuses', () => {
  const refusals: readonly [string, (api: KubeApi) => void, RegExp, string | undefined][] = [
    [
      'a right',
      (api) => (api.mayWrite = { create: false, patch: true }),
      /answers 403: events is forbidden: User/,
      'denied',
    ],
    ['a namespace that is gone', (api) => api.missing.add('ml'), /answers 404: namespaces "ml" not found/, undefined],
    [
      'a namespace on its way',
      (api) => api.terminating.add('ml'),
      /answers 403: because it is being terminated/,
      undefined,
    ],
    ['the object', (api) => api.faults.write.push({ status: 422 }), /answers 422$/, undefined],
    [
      'everything, in words that are no JSON',
      (api) => api.faults.write.push({ status: 400, body: '<html>' }),
      /answers 400$/,
      undefined,
    ],
  ];
  for (const [what, prepare, said, state] of refusals) {
    it(`is asked once and costs the error: ${what}`, async (t) => {
      const { api, publish, dropped, requests, log, reports } = await setting(t, { prepare });
      publish(...times(3));
      await waitFor(() => dropped['refused'] === 3, { what: 'the drop' });
      assert.equal(api.writes().length, 1);
      assert.deepEqual(requests, { created: 0, updated: 0, failed: 1 });
      const line = log.find(({ code }) => code === 'XEE_KUBERNETES_EVENT_REFUSED');
      assert.match(String(line?.['msg']), /^the Kubernetes Event for pod ml\/train-0 was refused: /);
      assert.match(String(line?.['msg']), said);
      if (state) await waitFor(() => reports.at(-1)?.state === state, { what: 'the state of the feature' });
      else assert.ok(reports.every((report) => report.state === 'active'));
    });
  }

  it('does not have its words put into the log as they are', async (t) => {
    const body = JSON.stringify({ message: `\u001b[31m${'x'.repeat(5_000)}` });
    const { publish, log } = await setting(t, { prepare: (api) => api.faults.write.push({ status: 400, body }) });
    publish(oom());
    const line = await waitFor(() => log.find(({ code }) => code === 'XEE_KUBERNETES_EVENT_REFUSED'), {
      what: 'the line',
    });
    assert.match(String(line['msg']), /: \?\[31mx{295}$/);
  });

  it('is said once a minute at most, also when it refuses every pod', async (t) => {
    const { publish, dropped, log } = await setting(t, {
      prepare: (api) => (api.mayWrite = { create: false, patch: false }),
    });
    publish(...times(20, (index) => oom(`pod-${index}`)));
    await waitFor(() => dropped['refused'] === 20, { what: 'the drops' });
    assert.equal(log.filter(({ level }) => level === 'warn').length, 1);
  });

  it('is written to again when it does no longer', async (t) => {
    const { api, publish, dropped, settled, events, reports } = await setting(t, {
      prepare: (given) => (given.mayWrite = { create: false, patch: true }),
    });
    publish(oom());
    await waitFor(() => dropped['refused'] === 1, { what: 'the drop' });
    api.mayWrite.create = true;
    publish(oom('train-0', { realtimeNs: 1_769_860_865_000_000_000n }));
    await settled(1);
    assert.equal(events()[0]!.firstTimestamp, '2026-01-31T12:01:05Z', 'what was dropped is not in it');
    const report = await waitFor(() => reports.at(-1)?.state === 'active' && reports.at(-1), { what: 'the feature' });
    assert.equal(report.reason, '');
  });

  it('in one namespace only is said to, until it does no longer', async (t) => {
    const { api, publish, settled, dropped, reports } = await setting(t);
    publish(oom());
    await settled(1);
    api.mayWrite.create = false;
    publish(anEvent({ client: inPod('other', {}, 'vision') }));
    await waitFor(() => dropped['refused'] === 1, { what: 'the drop' });
    assert.equal(reports.at(-1)!.reason, 'the API server refuses Events in some namespaces');
    api.mayWrite.create = true;
    publish(oom());
    await settled(2);
    assert.equal(reports.at(-1)!.reason, 'the API server refuses Events in some namespaces');
    publish(anEvent({ client: inPod('other', {}, 'vision') }));
    await waitFor(() => reports.at(-1)!.reason === '', { what: 'the end of it' });
    assert.equal(reports.at(-1)!.state, 'active');
  });

  it('tells at the start that a right is missing, and which', async (t) => {
    const { reports } = await setting(t, { prepare: (api) => (api.mayWrite = { create: true, patch: false }) });
    const report = await waitFor(() => reports.at(-1), { what: 'the review' });
    assert.equal(report.state, 'denied');
    assert.equal(report.reason, 'the test may not patch events in every namespace');
    assert.match(report.fix, /ClusterRole.*events\.kubernetesEvents=true/);
  });
});

describe('an API server in trouble', () => {
  const faults = [
    { status: 500 },
    { status: 503 },
    { status: 401 },
    { status: 429, headers: { 'retry-after': '0' } },
    { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
    { body: '<html>sign in</html>' },
    { body: '{"kind":"Event","metadata":{"name":"another"}}' },
    { body: 'null' },
    'reset',
    'silence',
  ] as const;
  for (const fault of faults) {
    it(`is asked again after ${JSON.stringify(fault)}`, async (t) => {
      const { publish, settled, requests, dropped } = await setting(t, {
        limits: { requestMs: 200 },
        prepare: (api) => api.faults.write.push(fault, fault),
      });
      publish(...times(4));
      await settled(4);
      await waitFor(() => requests['created'] === 1, { what: 'its count' });
      assert.deepEqual([requests, dropped], [{ created: 1, updated: 0, failed: 2 }, {}]);
    });
  }

  it('that does not accept the credentials says so, also after it did', async (t) => {
    const { api, publish, settled, reports } = await setting(t);
    publish(oom());
    await settled(1);
    api.faults.write.push(...Array.from({ length: 3 }, () => ({ status: 401 })));
    publish(oom());
    const report = await waitFor(() => reports.find(({ state }) => state === 'denied'), { what: 'the feature' });
    assert.equal(report.reason, 'the API server does not accept the test (401)');
    await settled(2);
    await waitFor(() => reports.at(-1)!.state === 'active', { what: 'the end of it' });
  });

  it('is left alone for as long as it asks, five minutes at most', async (t) => {
    let now = 1_000;
    const { api, publish, settled, requests } = await setting(t, {
      now: () => now,
      prepare: (given) => given.faults.write.push({ status: 429, headers: { 'retry-after': '99999' } }),
    });
    publish(oom());
    await waitFor(() => requests['failed'] === 1, { what: 'the refusal' });
    now += 299_000;
    publish(oom('other'));
    await new Promise((resolve) => setImmediate(resolve));
    now += 1_000;
    publish(oom('other'));
    await settled(3);
    assert.equal(api.writes().length, 3);
  });

  it('is caught up with when it is up again', async (t) => {
    const { api, publish, settled, requests, dropped, reports, log } = await setting(t);
    publish(oom());
    await settled(1);
    await api.down();
    publish(...times(5), ...times(5, (index) => oom(`pod-${index}`)));
    await waitFor(() => (requests['failed'] ?? 0) > 3, { what: 'failures' });
    assert.equal(reports.at(-1)?.reason, 'the API server does not take Events');
    await api.up();
    await settled(11);
    await waitFor(() => reports.at(-1)?.reason === '', { what: 'the state of the feature' });
    assert.deepEqual(dropped, {});
    const said = log.filter(({ level }) => level !== 'debug').map(({ msg }) => msg);
    assert.deepEqual(said, [
      'Kubernetes Events cannot be written: ECONNREFUSED',
      'Kubernetes Events are written again',
    ]);
  });

  it('costs what is too old when it stays away, and few requests', async (t) => {
    let now = 1_000;
    const { api, publish, dropped, requests } = await setting(t, { now: () => now, limits: { quietMs: 60_000 } });
    await api.down();
    publish(...times(5));
    await waitFor(() => (requests['failed'] ?? 0) > 0, { what: 'a failure' });
    now += 60_000;
    await waitFor(() => dropped['unreachable'] === 5, { what: 'the drop' });
  });

  it('that took an Event and lost the answer gets no second one', async (t) => {
    const { api, publish, settled, events } = await setting(t, { limits: { requestMs: 150 } });
    api.writeDelayMs = 300;
    publish(...times(2));
    await waitFor(() => events().length === 1, { what: 'the Event that was answered too late' });
    api.writeDelayMs = 0;
    publish(oom());
    await settled(3);
    assert.equal(events().length, 1);
  });

  it('that has forgotten an Event gets it again, with the whole count', async (t) => {
    const { api, publish, settled, requests } = await setting(t);
    publish(...times(2));
    await settled(2);
    api.events.clear();
    publish(oom());
    await settled(3);
    await waitFor(() => requests['created'] === 2, { what: 'its count' });
  });
});

describe('the end', () => {
  it('writes what waits, once, and takes nothing more', async (t) => {
    const { api, sink, publish, told, dropped } = await setting(t, {
      limits: { podPace: { burst: 1, intervalMs: 60_000 }, totalPace: { burst: 1, intervalMs: 60_000 } },
    });
    publish(...times(30, (index) => oom(`pod-${index}`)));
    const closed = sink.close(5_000);
    assert.equal(sink.close(1), closed, 'a second close is the first');
    await closed;
    assert.equal(told(), 30);
    assert.equal(sink.accept(oom()), 'closed');
    assert.equal(api.writes().length, 30);
    assert.deepEqual(dropped, {});
  });

  it('comes in time when the API server is silent, and counts what is lost', async (t) => {
    const { api, sink, publish, dropped, requests } = await setting(t);
    api.faults.write.push('silence');
    publish(...times(3), oom('other'));
    await waitFor(() => api.writes().length === 1, { what: 'a request' });
    const begin = performance.now();
    await sink.close(50);
    assert.ok(performance.now() - begin < 5_000);
    assert.deepEqual([dropped, requests], [{ closed: 4 }, { created: 0, updated: 0, failed: 0 }]);
  });

  it('does not wait for an API server that is away', async (t) => {
    const { api, sink, publish, dropped } = await setting(t);
    await api.down();
    publish(...times(20, (index) => oom(`pod-${index}`)));
    await sink.close(60_000);
    assert.deepEqual(dropped, { closed: 20 });
  });
});

it('of all errors that come, each is told by an Event or counted as dropped', async (t) => {
  const step = fc.record({
    pods: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 20 }),
    fault: fc.constantFrom<Fault | undefined>(
      undefined,
      { status: 500 },
      { status: 403 },
      { status: 404 },
      { status: 409 },
      'reset',
      {
        body: '{',
      } as const,
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      const { api, sink, publish, told, dropped } = await setting(t, { limits: { maxSeries: 4 } });
      let published = 0;
      for (const { pods, fault } of steps) {
        if (fault) api.faults.write.push(fault);
        publish(...pods.map((pod) => oom(`pod-${pod}`)));
        published += pods.length;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await sink.close(5_000);
      assert.equal(told() + sum(Object.values(dropped)), published);
    }),
    { numRuns: 40 },
  );
});

describe('a whole exporter', () => {
  const urlIn = (line: LogLine): string | undefined => /http:\/\/127\.0\.0\.1:\d+/.exec(JSON.stringify(line))?.[0];

  /** A kubeconfig that leads to the stub; in plain HTTP no credentials are sent. */
  function kubeconfig(t: TestContext, api: KubeApi): Record<string, string> {
    const tree = new FixtureTree(t);
    const config = {
      'current-context': 'stub',
      contexts: [{ name: 'stub', context: { cluster: 'stub' } }],
      clusters: [{ name: 'stub', cluster: { server: api.url } }],
    };
    tree.file('kubeconfig', JSON.stringify(config));
    return { KUBECONFIG: join(tree.root, 'kubeconfig'), NODE_NAME: NODE, POD_NAME: 'xe-exporter-abcde' };
  }

  it('tells of every out-of-memory error until its end', async (t) => {
    const api = await KubeApi.open(t);
    const flags = [
      '--listen-address=127.0.0.1:0',
      '--demo-rate=100',
      '--events-stdout',
      '--event-rate-limit-per-minute=0',
    ];
    const exporter = await ExporterProcess.run(
      ['demo', '--kubernetes-events', '--log-level=debug', ...flags],
      { env: kubeconfig(t, api) },
      urlIn,
    );
    t.after(() => exporter.stop('SIGKILL'));
    await waitFor(() => api.events.size >= 3, { what: 'Events of several jobs', deadlineMs: 20_000 });
    const series = await exporter.metrics();
    assert.equal(series.get('xe_exporter_feature_info{feature="kubernetes_events",state="active"}'), 1);
    assert.ok((series.get('xe_exporter_kubernetes_event_requests_total{result="created"}') ?? 0) >= 1);
    assert.equal(await exporter.stop(), 0);
    const logged = exporter.stdout
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { event_name: string; attributes: Record<string, unknown> })
      .filter(
        ({ event_name, attributes }) =>
          event_name === 'xe.vm.rebind_error' && ['ENOMEM', 'ENOSPC'].includes(String(attributes['error.type'])),
      );
    assert.equal(sum([...api.events.values()].map(({ count }) => count)), logged.length);
    for (const event of api.events.values()) assert.equal(event['reportingInstance'], 'xe-exporter-abcde');
  });

  it('runs on without a way to the API server, and says what to do', async (t) => {
    const exporter = await ExporterProcess.run(
      ['demo', '--kubernetes-events', '--listen-address=127.0.0.1:0'],
      { env: { KUBECONFIG: '', KUBERNETES_SERVICE_HOST: '' } },
      urlIn,
    );
    t.after(() => exporter.stop('SIGKILL'));
    const line = exporter.log.find(({ feature }) => feature === 'kubernetes_events');
    assert.deepEqual(
      [line?.['state'], line?.['reason']],
      ['unsupported', 'there is neither a service account nor KUBECONFIG'],
    );
    assert.equal(await exporter.stop(), 0);
  });
});
