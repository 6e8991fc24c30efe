import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHART, NAMESPACE, only, refusal, render, type Manifest } from './chart.js';

for (const kind of ['ServiceMonitor', 'PodMonitor'] as const) {
  const key = kind === 'ServiceMonitor' ? 'serviceMonitor' : 'podMonitor';
  const endpointOf = (manifests: Manifest[]): Manifest => {
    const { spec } = only(manifests, kind);
    return (spec.endpoints ?? spec.podMetricsEndpoints)[0];
  };

  test(`a ${kind} names node and job, and leaves the labels of the exporter alone`, () => {
    const endpoint = endpointOf(render({ [key]: { enabled: true } }, { release: 'anything' }));
    assert.equal(endpoint.honorLabels, false);
    assert.deepEqual(endpoint.relabelings, [
      { sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' },
      { targetLabel: 'job', replacement: 'xe-exporter' },
    ]);
  });

  test(`a ${kind} may scrape every 75 s at most, a quarter of the shortest window of the rules`, () => {
    assert.equal(endpointOf(render({ [key]: { enabled: true, interval: '75s' } })).interval, '75s');
    assert.match(
      refusal({ [key]: { enabled: true, interval: '76s' } }),
      new RegExp(`${key}\\.interval is 76s, but .* four scrapes in every window: set it to 75s or less`),
    );
    assert.match(refusal({ [key]: { enabled: true, interval: '2m' } }), /set it to 75s or less/);
  });
}

test('alerts can be left out and relabelled by name', () => {
  const rules = (values: object): Manifest[] =>
    only(render({ prometheusRule: { enabled: true, rules: values } }), 'PrometheusRule').spec.groups.flatMap(
      (group: Manifest) => group.rules,
    );
  const all = rules({});
  const changed = rules({
    XeDeviceWedged: { labels: { severity: 'page', team: 'gpu' } },
    XeVMRebindOOM: { enabled: false },
  });
  assert.equal(changed.length, all.length - 1);
  assert.deepEqual(changed.find(({ alert }) => alert === 'XeDeviceWedged').labels, { severity: 'page', team: 'gpu' });
  const untouched = all.find(({ alert }) => alert === 'XeVMRebindTimeout');
  assert.match(
    untouched.annotations.summary,
    /\{\{ \$labels\.pci_bdf \}\}/,
    'templates of Prometheus survive those of Helm',
  );
  assert.match(refusal({ prometheusRule: { rules: { XeVMRebindOom: { enabled: false } } } }), /XeVMRebindOom/);
});

test('alerts link to the Grafana of the values', () => {
  const link = (prometheusRule: object): string =>
    only(render({ prometheusRule: { enabled: true, ...prometheusRule } }), 'PrometheusRule').spec.groups[0].rules[0]
      .annotations.dashboard_url;
  assert.match(link({}), /^\/d\/xe-node\?/);
  assert.match(link({ grafanaUrl: 'https://grafana.example.com/' }), /^https:\/\/grafana\.example\.com\/d\/xe-node\?/);
});

test('an alert takes a time, a severity and annotations of its own, and all of them another place for runbooks', () => {
  const groups = only(
    render({
      prometheusRule: {
        enabled: true,
        runbookUrlBase: 'https://wiki.example.com/xe/',
        rules: {
          XeDeviceWedged: { for: '2m', severity: 'page', annotations: { dashboard: 'https://grafana.example.com' } },
          XeVMRebindOOM: { annotations: { runbook_url: 'https://wiki.example.com/oom' } },
        },
      },
    }),
    'PrometheusRule',
  ).spec.groups;
  const alert = (name: string): Manifest =>
    groups.flatMap((group: Manifest) => group.rules).find((rule: Manifest) => rule.alert === name);
  const wedged = alert('XeDeviceWedged');
  assert.deepEqual([wedged.for, wedged.labels.severity], ['2m', 'page']);
  assert.equal(wedged.annotations.dashboard, 'https://grafana.example.com');
  assert.ok(wedged.annotations.summary);
  assert.equal(wedged.annotations.runbook_url, 'https://wiki.example.com/xe/XeDeviceWedged.md');
  assert.equal(alert('XeVMRebindOOM').annotations.runbook_url, 'https://wiki.example.com/oom');
  assert.equal(alert('XeExporterDown').annotations.runbook_url, 'https://wiki.example.com/xe/XeExporterDown.md');
  assert.match(refusal({ prometheusRule: { rules: { XeDeviceWedged: { for: 'soon' } } } }), /XeDeviceWedged[./]for/);
});

test('monitors, rules and dashboards may live in the namespace of those who read them', () => {
  const elsewhere = { enabled: true, namespace: 'monitoring' };
  const sidecar = { namespace: 'grafana', sidecar: { enabled: true } };
  const manifests = render({ serviceMonitor: elsewhere, prometheusRule: elsewhere, dashboards: sidecar });
  const monitor = only(manifests, 'ServiceMonitor');
  assert.equal(monitor.metadata.namespace, 'monitoring');
  assert.deepEqual(monitor.spec.namespaceSelector, { matchNames: [NAMESPACE] });
  assert.equal(only(manifests, 'PrometheusRule').metadata.namespace, 'monitoring');
  const maps = manifests.filter(({ metadata }) => metadata.labels?.grafana_dashboard === '1');
  assert.deepEqual([...new Set(maps.map(({ metadata }) => metadata.namespace))], ['grafana']);
});

test('limits of a scrape are whole numbers, however large', () => {
  const { spec } = only(
    render({ podMonitor: { enabled: true, sampleLimit: 2_000_000, labelLimit: 40 } }),
    'PodMonitor',
  );
  assert.deepEqual([spec.sampleLimit, spec.labelLimit, spec.targetLimit], [2_000_000, 40, undefined]);
});

test('dashboards are handed to the sidecar and to the Grafana operator as they are', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-chart-'));
  try {
    cpSync(CHART, folder, { recursive: true });
    rmSync(join(folder, 'files/dashboards'), { recursive: true, force: true });
    const dashboards = { sidecar: { enabled: true }, grafanaOperator: { enabled: true } };
    const kinds = (manifests: Manifest[]): string[] => manifests.map(({ kind }) => kind);
    assert.equal(kinds(render({ dashboards }, { chart: folder })).includes('GrafanaDashboard'), false);

    mkdirSync(join(folder, 'files/dashboards'));
    const json = '{"title":"Node {{node}} <b>", "legend": "{{pci_bdf}}"}\n';
    writeFileSync(join(folder, 'files/dashboards/xe-node.json'), json);
    const manifests = render({ dashboards }, { chart: folder });
    assert.equal(only(manifests, 'GrafanaDashboard').spec.json, json);
    const map = manifests.find(({ metadata }) => metadata.labels?.grafana_dashboard === '1');
    assert.deepEqual(map.data, { 'xe-node.json': json });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the network policy lets scrapes and health checks in', () => {
  const from = [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }];
  const manifests = render({ networkPolicy: { enabled: true, from }, web: { existingSecret: 'web' } });
  const { ingress } = only(manifests, 'NetworkPolicy').spec;
  assert.deepEqual(ingress[0].ports, [{ port: 'metrics' }]);
  assert.deepEqual(ingress[0].from[0], from[0]);
  assert.deepEqual(ingress[1], { ports: [{ port: 'health' }] });
});
