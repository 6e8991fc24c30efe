import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { KubeApi, type Fault } from '../../helpers/kube-api.js';
import { kubeconfig } from '../../helpers/kubeconfig.js';
import { waitFor } from '../../helpers/wait-for.js';
import { setting, oom, times, sum } from './kubernetes-events-setting.js';

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
  it('tells of every rebind error until its end', async (t) => {
    const api = await KubeApi.open(t);
    const exporter = await ExporterProcess.demo({
      args: ['--kubernetes-events', '--demo-rate=100', '--events-stdout', '--event-rate-limit-per-minute=0'],
      env: kubeconfig(t, api),
    });
    t.after(() => exporter.stop('SIGKILL'));
    await waitFor(() => api.events.size >= 3, { what: 'Events of several jobs', deadlineMs: 20_000 });
    const series = await exporter.metrics();
    assert.equal(series.get('xe_exporter_feature_info{feature="kubernetes_events",state="active"}'), 1);
    assert.ok((series.get('xe_exporter_kubernetes_event_requests_total{result="created"}') ?? 0) >= 1);
    assert.equal(await exporter.stop(), 0);
    const logged = exporter.stdout
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { event_name: string; attributes: Record<string, unknown> })
      .filter(({ event_name }) => event_name === 'xe.vm.rebind_error');
    const isOom = ({ attributes }: { attributes: Record<string, unknown> }): boolean =>
      ['ENOMEM', 'ENOSPC'].includes(String(attributes['error.type']));
    const told = (wanted: string): number =>
      sum([...api.events.values()].filter(({ reason }) => reason === wanted).map(({ count }) => count));
    assert.equal(told('XeVMRebindOOM'), logged.filter(isOom).length);
    assert.equal(told('XeVMRebindError'), logged.length - logged.filter(isOom).length);
    for (const event of api.events.values()) assert.equal(event['reportingInstance'], 'xe-exporter-abcde');
  });

  it('runs on without a way to the API server, and says what to do', async (t) => {
    const exporter = await ExporterProcess.demo({
      args: ['--kubernetes-events'],
      env: { KUBECONFIG: '', KUBERNETES_SERVICE_HOST: '' },
    });
    t.after(() => exporter.stop('SIGKILL'));
    const line = exporter.log.find(({ feature }) => feature === 'kubernetes_events');
    assert.deepEqual(
      [line?.['state'], line?.['reason']],
      ['unsupported', 'there is neither a service account nor KUBECONFIG'],
    );
    assert.equal(await exporter.stop(), 0);
  });
});
