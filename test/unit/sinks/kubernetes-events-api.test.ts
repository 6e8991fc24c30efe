import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { anEvent } from '../../helpers/events.js';
import type { KubeApi } from '../../helpers/kube-api.js';
import { waitFor } from '../../helpers/wait-for.js';
import { setting, inPod, oom, times } from './kubernetes-events-setting.js';

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
        // Only silence has to be waited for; an answer must not be late where the machine is busy.
        limits: fault === 'silence' ? { requestMs: 2_000 } : {},
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
    const { publish, settled, events, requests } = await setting(t, {
      prepare: (api) => api.faults.write.push('lost answer'),
    });
    publish(...times(2));
    await settled(2);
    publish(oom());
    await settled(3);
    assert.equal(events().length, 1);
    assert.equal(requests['failed'], 2, 'the answer that was lost, and the 409 to the second attempt');
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
