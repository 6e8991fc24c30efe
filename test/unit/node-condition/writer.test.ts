import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { FeatureReport } from '../../../exporter/features.js';
import type { Fitness } from '../../../exporter/node-condition/fitness.js';
import { ConditionWriter, type ConditionLimits } from '../../../exporter/node-condition/writer.js';
import { KubeApi, NODE, type Fault, type StoredCondition, type StoredEvent } from '../../helpers/kube-api.js';
import { recordedFeatures } from '../../helpers/recorded-features.js';
import { waitFor } from '../../helpers/wait-for.js';

const FIT: Fitness = { status: 'True', reason: 'XeGPUsAreFit', message: 'fit' };
const WEDGED: Fitness = { status: 'False', reason: 'XeGPUWedged', message: 'GPU 0000:03:00.0 is wedged.' };
const UNKNOWN: Fitness = { status: 'Unknown', reason: 'NoEventSource', message: 'blind' };

/** Fast, where a test does not say otherwise. */
const QUICK: Partial<ConditionLimits> = {
  pace: { burst: 1000, intervalMs: 1 },
  backoff: { firstMs: 2, maxMs: 20, random: () => 0 },
};

interface Setting {
  readonly api: KubeApi;
  readonly writer: ConditionWriter;
  readonly log: Record<string, unknown>[];
  readonly reports: FeatureReport[];
  readonly counts: { written: number; failed: number; events: number; eventsFailed: number };
  /** The GPUs are so from now on. */
  become(fitness: Fitness): void;
  condition(): StoredCondition | undefined;
  events(): StoredEvent[];
  /** Waits until the API server has it. */
  said(fitness: Fitness): Promise<unknown>;
}

interface Given {
  readonly limits?: Partial<ConditionLimits>;
  readonly prepare?: (api: KubeApi) => void;
  readonly now?: () => number;
  readonly nodeName?: string;
}

async function setting(t: TestContext, { limits, prepare, now, nodeName = NODE }: Given = {}): Promise<Setting> {
  const api = await KubeApi.open(t);
  prepare?.(api);
  const { features, reports, log, logger } = recordedFeatures();
  const counts = { written: 0, failed: 0, events: 0, eventsFailed: 0 };
  let fitness = FIT;
  const writer = new ConditionWriter({
    access: api.access(),
    nodeName,
    instance: 'xe-exporter-abcde',
    features,
    logger,
    judge: () => fitness,
    accounting: {
      written: (ok) => counts[ok ? 'written' : 'failed']++,
      eventWritten: (ok) => counts[ok ? 'events' : 'eventsFailed']++,
    },
    limits: { ...QUICK, ...limits },
    ...(now && { now }),
  });
  t.after(() => writer.close());
  const condition = (): StoredCondition | undefined => api.nodes.get(NODE)?.get('XeGPUsHealthy');
  return {
    api,
    writer,
    log,
    reports,
    counts,
    become(next) {
      fitness = next;
      writer.changed();
    },
    condition,
    events: () => [...api.events.values()],
    said: ({ status, message }) =>
      waitFor(() => condition()?.['status'] === status && condition()?.['message'] === message && counts.written > 0, {
        what: `the condition ${status}`,
      }),
  };
}

const stored = (given: Partial<StoredCondition>): StoredCondition => ({
  type: 'XeGPUsHealthy',
  lastHeartbeatTime: '2026-01-31T12:00:00Z',
  lastTransitionTime: '2026-01-31T11:00:00Z',
  ...given,
});

describe('the condition of the node', () => {
  it('is written once the health is known, and not before', async (t) => {
    const { api, writer, condition, said, counts } = await setting(t);
    writer.changed();
    assert.equal(api.nodeRequests().length, 0);
    writer.start();
    await said(FIT);
    const { lastHeartbeatTime, lastTransitionTime, ...rest } = condition()!;
    assert.deepEqual(rest, { type: 'XeGPUsHealthy', ...FIT });
    assert.match(lastHeartbeatTime!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.equal(lastTransitionTime, lastHeartbeatTime);
    assert.deepEqual(
      api.nodeRequests().map(({ method }) => method),
      ['GET', 'PATCH'],
    );
    assert.equal(counts.failed, 0);
  });

  it('follows the GPUs, with an Event on the node when one becomes unfit and when none is any more', async (t) => {
    const { writer, become, said, events, counts } = await setting(t);
    writer.start();
    await said(FIT);
    become(WEDGED);
    await said(WEDGED);
    await waitFor(() => counts.events === 1, { what: 'the Warning' });
    become(FIT);
    await said(FIT);
    await waitFor(() => counts.events === 2, { what: 'the end of it' });
    become(UNKNOWN);
    await said(UNKNOWN);
    const [warning, normal] = events();
    assert.equal(events().length, 2, 'that nobody can tell is no Event');
    const { name } = warning!.metadata;
    assert.match(name, /^gpu-node-1\.[0-9a-f]{16}$/);
    const { firstTimestamp, lastTimestamp, ...rest } = warning!;
    assert.equal(firstTimestamp, lastTimestamp);
    assert.deepEqual(rest, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: 'default', annotations: {} },
      involvedObject: { kind: 'Node', apiVersion: 'v1', name: NODE, uid: NODE },
      type: 'Warning',
      reason: 'XeGPUWedged',
      message: WEDGED.message,
      count: 1,
      source: { component: 'xe-exporter', host: NODE },
      reportingComponent: 'xe-exporter',
      reportingInstance: 'xe-exporter-abcde',
    });
    assert.deepEqual([normal!['type'], normal!['reason']], ['Normal', 'XeGPUsAreFit']);
  });

  it('of the exporter before keeps the time of its last change while nothing has changed', async (t) => {
    const { writer, said, condition, events, counts } = await setting(t, {
      prepare: ({ nodes }) => nodes.get(NODE)!.set('XeGPUsHealthy', stored({ ...FIT, message: 'before' })),
    });
    writer.start();
    await said(FIT);
    await waitFor(() => counts.written === 1, { what: 'the write' });
    assert.equal(condition()!['lastTransitionTime'], '2026-01-31T11:00:00Z');
    assert.notEqual(condition()!['lastHeartbeatTime'], '2026-01-31T12:00:00Z');
    assert.deepEqual(events(), []);
  });

  it('is cleared when the GPU has recovered while no exporter ran', async (t) => {
    const { writer, said, condition, events, counts } = await setting(t, {
      prepare: ({ nodes }) => nodes.get(NODE)!.set('XeGPUsHealthy', stored(WEDGED)),
    });
    writer.start();
    await said(FIT);
    await waitFor(() => counts.events === 1, { what: 'the Event' });
    assert.notEqual(condition()!['lastTransitionTime'], '2026-01-31T11:00:00Z');
    assert.equal(events()[0]!['type'], 'Normal');
  });

  it('leaves every other condition of the node alone', async (t) => {
    const { api, writer, said } = await setting(t, {
      prepare: ({ nodes }) => nodes.get(NODE)!.set('DiskPressure', { type: 'DiskPressure', status: 'False' }),
    });
    writer.start();
    await said(FIT);
    assert.deepEqual(api.nodes.get(NODE)!.get('DiskPressure'), { type: 'DiskPressure', status: 'False' });
  });

  it('is written again as a heartbeat, which no change of the time disturbs', async (t) => {
    let now = 1_000;
    const { api, writer, become, said, counts } = await setting(t, { now: () => now, limits: { heartbeatMs: 60_000 } });
    writer.start();
    await said(FIT);
    await waitFor(() => counts.written === 1, { what: 'the write' });
    now += 59_999;
    become(FIT);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(api.nodeRequests().length, 2, 'nothing has changed');
    now += 1;
    become(FIT);
    await waitFor(() => counts.written === 2, { what: 'the heartbeat' });
    assert.deepEqual(
      api.nodeRequests().map(({ method }) => method),
      ['GET', 'PATCH', 'PATCH'],
    );
  });

  it('is at a bounded rate, and ends with the last word', async (t) => {
    let now = 1_000;
    const pace = { burst: 3, intervalMs: 60_000 };
    const { writer, become, said, counts } = await setting(t, { now: () => now, limits: { pace } });
    writer.start();
    await said(FIT);
    for (let change = 1; change <= 20; change++) {
      become({ ...WEDGED, message: `change ${change}` });
      const written = counts.written;
      // One that may be written is; one that has to wait is overtaken by the next.
      if (written < 3) await waitFor(() => counts.written > written, { what: 'a write' });
    }
    assert.equal(counts.written, 3);
    now += 60_000;
    const last = { ...WEDGED, message: 'the last word' };
    become(last);
    await said(last);
    // The API server has it before the answer is back.
    await waitFor(() => counts.written === 4, { what: 'the count' });
  });
});

describe('an API server in trouble', () => {
  const faults: readonly Fault[] = [
    { status: 500 },
    { status: 401 },
    { status: 429, headers: { 'retry-after': '0' } },
    { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
    { body: '<html>sign in</html>' },
    { body: '{"kind":"Status"}' },
    { body: 'null' },
    { body: '[]' },
    { body: '{"kind":"Node","status":{"conditions":{"a":[]}}}' },
    'reset',
    'silence',
  ];
  for (const fault of faults) {
    it(`is asked again after ${JSON.stringify(fault)}`, async (t) => {
      // Long enough for a busy machine, where nobody has to be waited for.
      const limits = fault === 'silence' ? { requestMs: 2_000 } : {};
      const { writer, become, said, counts, api } = await setting(t, { limits });
      writer.start();
      await said(FIT);
      await waitFor(() => counts.written === 1, { what: 'the first write' });
      api.faults.node.push(fault, fault);
      become(WEDGED);
      await said(WEDGED);
      await waitFor(() => counts.written === 2, { what: 'the count' });
      if (fault === 'silence') assert.ok(counts.failed >= 2);
      else assert.equal(counts.failed, 2);
    });
  }

  it('that answers a read with nonsense is asked again, too', async (t) => {
    const { writer, said, counts } = await setting(t, {
      prepare: (api) => api.faults.node.push({ body: '{' }, { body: '{"kind":"Pod"}' }),
    });
    writer.start();
    await said(FIT);
    await waitFor(() => counts.written === 1, { what: 'the count' });
    assert.equal(counts.failed, 2);
  });

  it('that has conditions of strange shapes does no harm', async (t) => {
    const conditions = [null, 7, { type: 7 }, { type: 'XeGPUsHealthy', status: 5, lastTransitionTime: {} }];
    const { writer, said, condition } = await setting(t, {
      prepare: (api) => api.faults.node.push({ body: JSON.stringify({ kind: 'Node', status: { conditions } }) }),
    });
    writer.start();
    await said(FIT);
    assert.match(condition()!['lastTransitionTime']!, /^\d{4}-/);
  });

  it('that refuses is asked again at the next heartbeat only, and the feature names the right', async (t) => {
    let now = 1_000;
    const { api, writer, become, said, reports, counts, log } = await setting(t, {
      now: () => now,
      limits: { heartbeatMs: 60_000 },
      prepare: (given) => (given.mayNode = { get: true, patch: false }),
    });
    writer.start();
    await waitFor(() => reports.at(-1)?.state === 'denied', { what: 'the refusal' });
    assert.match(reports.at(-1)!.fix, /patch on nodes\/status .*events\.kubernetesNodeCondition=true/);
    assert.match(
      String(log.find(({ code }) => code === 'XEE_NODE_CONDITION_UNWRITTEN')?.['msg']),
      /^the condition XeGPUsHealthy of node gpu-node-1 cannot be written: the API server answers 403: nodes "gpu-node-1" is forbidden/,
    );
    become(WEDGED);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(counts.failed, 1);
    api.mayNode.patch = true;
    now += 60_000;
    become(WEDGED);
    await said(WEDGED);
    await waitFor(() => reports.at(-1)?.state === 'active', { what: 'the feature' });
  });

  it('that does not know the node says which name to set', async (t) => {
    const { writer, reports } = await setting(t, { nodeName: 'elsewhere' });
    writer.start();
    const report = await waitFor(() => reports.at(-1), { what: 'the feature' });
    assert.deepEqual([report.state, report.reason], ['unsupported', 'the API server knows no node elsewhere']);
    assert.match(report.fix, /--node-name/);
  });

  it('that takes no Events takes the condition all the same, and is asked for the Event a bounded number of times', async (t) => {
    const { api, writer, become, said, counts, reports } = await setting(t, { limits: { eventAttempts: 3 } });
    writer.start();
    await said(FIT);
    api.faults.write.push('reset', { status: 500 }, { status: 503 }, { status: 500 });
    become(WEDGED);
    await waitFor(() => counts.eventsFailed === 3, { what: 'three attempts' });
    become({ ...WEDGED, message: 'another one' });
    api.faults.write.length = 0;
    api.mayWrite.create = false;
    await said({ ...WEDGED, message: 'another one' });
    await waitFor(() => counts.eventsFailed === 4, { what: 'the refusal' });
    await waitFor(() => reports.at(-1)?.reason === 'Events on the node are refused', { what: 'the feature' });
    assert.equal(reports.at(-1)!.state, 'active');
    become(FIT);
    await said(FIT);
  });

  it('is caught up with when it is up again', async (t) => {
    const { api, writer, become, said, counts, reports, log } = await setting(t);
    writer.start();
    await said(FIT);
    await api.down();
    become(WEDGED);
    await waitFor(() => counts.failed > 3, { what: 'failures' });
    assert.equal(reports.at(-1)?.reason, 'the API server does not take the condition of the node');
    await api.up();
    await said(WEDGED);
    await waitFor(() => reports.at(-1)?.reason === '', { what: 'the feature' });
    assert.ok(log.some(({ msg }) => msg === 'the node condition is written again'));
  });

  it('does not hold up the end', async (t) => {
    const { api, writer, counts } = await setting(t);
    api.faults.node.push('silence');
    writer.start();
    await waitFor(() => api.nodeRequests().length === 1, { what: 'a request' });
    await writer.close();
    await writer.close();
    writer.changed();
    assert.deepEqual(counts, { written: 0, failed: 0, events: 0, eventsFailed: 0 });
  });
});
