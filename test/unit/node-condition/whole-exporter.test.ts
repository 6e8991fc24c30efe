import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { KubeApi, NODE } from '../../helpers/kube-api.js';
import { kubeconfig } from '../../helpers/kubeconfig.js';
import { waitFor } from '../../helpers/wait-for.js';

describe('a whole exporter with --kubernetes-node-condition', () => {
  it('says when a GPU is wedged, and when the driver has been bound to it again', async (t) => {
    const api = await KubeApi.open(t);
    const seen: string[] = [];
    const set = api.nodes.get(NODE)!;
    const record = set.set.bind(set);
    set.set = (type, condition) => {
      seen.push(`${condition['status']} ${condition['reason']}`);
      return record(type, condition);
    };
    const exporter = await ExporterProcess.demo({
      args: ['--kubernetes-node-condition', '--demo-wedge-every=10s', '--demo-rate=1'],
      env: kubeconfig(t, api),
    });
    t.after(() => exporter.stop('SIGKILL'));
    const limits = { what: 'a GPU that is wedged and recovers', deadlineMs: 120_000 };
    await waitFor(() => seen.join().includes('False XeGPUWedged,True XeGPUsAreFit'), limits);
    const series = await exporter.metrics();
    assert.equal(series.get('xe_exporter_feature_info{feature="kubernetes_node_condition",state="active"}'), 1);
    assert.ok((series.get('xe_exporter_node_condition_writes_total{result="written"}') ?? 0) >= 3);
    assert.equal(seen[0], 'True XeGPUsAreFit');
    assert.equal(await exporter.stop(), 0);
  });

  it('runs on without a way to the API server, and says what to do', async (t) => {
    const exporter = await ExporterProcess.demo({
      args: ['--kubernetes-node-condition'],
      env: { KUBECONFIG: '', KUBERNETES_SERVICE_HOST: '' },
    });
    t.after(() => exporter.stop('SIGKILL'));
    const line = exporter.log.find(({ feature }) => feature === 'kubernetes_node_condition');
    assert.deepEqual(
      [line?.['state'], line?.['reason']],
      ['unsupported', 'there is neither a service account nor KUBECONFIG'],
    );
    assert.equal(await exporter.stop(), 0);
  });
});
