import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { prometheusRules } from '../../dashboards/formats/prometheus.js';
import { DEFAULT_RULES_CONFIG } from '../../dashboards/rules/config.js';
import { grafanaDashboards, interpolated, labelValues } from '../helpers/grafana.js';
import { waitFor } from '../helpers/wait-for.js';
import { startDemo, type RunningExporter } from './demo-exporter.js';
import { startPrometheusWith, type PrometheusServer } from './prometheus-server.js';
import { tool } from './tool.js';

/** What Grafana would send for a range of half a minute; the scrapes below are twice a second. */
const BUILT_IN = { __range: '30s', __range_s: '30', __interval: '1s', __interval_ms: '1000', __rate_interval: '4s' };
const ALL = { ...BUILT_IN, cluster: '.*', node: '.*', pci_bdf: '.*', namespace: '.*' };
/** The same demo is scraped with the labels of a target, and without any. */
const CHOICES: readonly [title: string, values: Record<string, string>][] = [
  ['everything', ALL],
  ['targets with labels', { ...ALL, cluster: 'demo-cluster', node: 'demo-node' }],
  ['targets without labels', { ...ALL, cluster: '', node: '' }],
  ['one GPU and one namespace', { ...ALL, pci_bdf: '0000:04:00.0', namespace: 'team-llm' }],
];
/** A storm, a wedged GPU, and log events for a collector that is not there. */
const DEMO = ['--demo-rate=5', '--demo-wedge-every=20s', '--otlp-endpoint=http://127.0.0.1:9'];
const DEADLINE = { deadlineMs: 300_000 };

/** What the demo does not have: problems of an exporter, evictions, and counters of server GPUs. It is empty there, as it should be. */
const QUIET_IN_DEMO = [
  ...['Sources that are down', 'What kernels or privileges do not allow'].map(
    (title) => `xe-exporter-health: ${title} A`,
  ),
  ...['A', 'B'].map((query) => `xe-node: Memory moved out of and back into VRAM ${query}`),
  'xe-node: Hardware errors by component A',
];
/** Only the jobs of some namespaces hang. */
const NOT_IN_EVERY_NAMESPACE = 'xe-node: Whose jobs hung, faulted or were stopped A';

/** Every query of every panel and mark. */
const queries = [...grafanaDashboards()].flatMap(([file, { panels, annotations }]) => [
  ...panels.flatMap(({ title, targets }) =>
    targets.map(({ refId, expr }) => ({ name: `${file}: ${title} ${refId}`, expr })),
  ),
  // A mark is there at some point of the range, hardly ever right now.
  ...(annotations.list ?? []).map(({ name, expr }) => ({
    name: `${file}: marks "${name}"`,
    expr: `count_over_time((${expr})[30s:1s])`,
  })),
]);
const variables = [...grafanaDashboards()].flatMap(([file, { templating }]) =>
  templating.list.slice(1).map((variable) => ({ name: `${file}: $${variable.name}`, ...labelValues(variable) })),
);

let exporter: RunningExporter;
before(async () => void (exporter = await startDemo({ flags: DEMO })));
after(() => exporter?.stop());

for (const version of ['2', '3'] as const) {
  describe(`dashboards over Prometheus ${version} and the demo`, () => {
    let prometheus: PrometheusServer;
    before(async () => {
      const { host } = new URL(exporter.metricsUrl);
      prometheus = await startPrometheusWith(tool('PROMETHEUS', version), {
        'rules.yaml': prometheusRules({ ...DEFAULT_RULES_CONFIG, eventWindow: '8s' }),
        'prometheus.yml': `
global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: xe-exporter
    static_configs: [{targets: ['${host}'], labels: {cluster: demo-cluster, node: demo-node}}]
  - job_name: bare-xe-exporter
    static_configs: [{targets: ['${host}']}]
`,
      });
    });
    after(() => prometheus?.stop());

    for (const [title, values] of CHOICES) {
      it(`every query returns data: ${title}`, async () => {
        for (const { name, expr } of queries.filter((query) => !QUIET_IN_DEMO.includes(query.name))) {
          if (name === NOT_IN_EVERY_NAMESPACE && values.namespace !== ALL.namespace) continue;
          // What does not happen in the demo, or not right now, is there with 0.
          const expression = interpolated(expr.replaceAll(' > 0', ' >= 0'), values);
          await waitFor(async () => (await prometheus.query(expression)).length > 0, {
            ...DEADLINE,
            what: `data for ${name}: ${expression}`,
          });
        }
      });
    }

    for (const { name, series, label } of variables) {
      it(`${name} has something to choose`, async () => {
        const match = encodeURIComponent(interpolated(series, ALL));
        const response = await fetch(`${prometheus.url}/api/v1/label/${label}/values?match[]=${match}`);
        const { status, data } = (await response.json()) as { status: string; data: readonly string[] };
        assert.equal(status, 'success');
        assert.ok(data.length > 0);
      });
    }

    it('what the demo does not have is empty', async () => {
      for (const { name, expr } of queries.filter((query) => QUIET_IN_DEMO.includes(query.name))) {
        assert.deepEqual(await prometheus.query(interpolated(expr, ALL)), [], name);
      }
    });

    it('the node dashboard names the pod that ran out of memory, when, and who held it', async () => {
      const ask = async (panel: string) => {
        const { expr } = queries.find(({ name }) => name === `xe-node: ${panel}`)!;
        return prometheus.query(interpolated(expr, { ...ALL, node: 'demo-node' }));
      };
      const rowOf = (panel: string) =>
        waitFor(async () => (await ask(panel)).find(({ metric }) => metric['k8s_pod_name'] === 'llama-finetune-0'), {
          ...DEADLINE,
          what: `the pod in ${panel}`,
        });
      const pod = await rowOf('Who ran out of GPU memory, and when B');
      assert.ok(Number(pod.value[1]) >= 1 && Number.isInteger(Number(pod.value[1])));
      assert.deepEqual([pod.metric['k8s_namespace_name'], pod.metric['pci_bdf']], ['team-llm', '0000:03:00.0']);
      const seen = await rowOf('Who ran out of GPU memory, and when A');
      const age = seen.value[0] - Number(seen.value[1]) / 1000;
      assert.ok(age > -1 && age < 31, `in the range of 30 s: ${age} s ago`);
      assert.equal(pod.metric['workload'], 'team-llm/llama-finetune-0');
      const holders = await ask('Who held the memory of $pci_bdf (jobs: $namespace) A');
      assert.ok(holders.some(({ metric, value }) => metric['k8s_pod_name'] && Number(value[1]) > 2 ** 30));
    });
  });

  describe(`dashboards over an empty Prometheus ${version}`, () => {
    let prometheus: PrometheusServer;
    before(
      async () =>
        void (prometheus = await startPrometheusWith(tool('PROMETHEUS', version), {
          'prometheus.yml': 'scrape_configs: []\n',
        })),
    );
    after(() => prometheus?.stop());

    it('counts are 0, and what is not known has no value: the panel says why', async () => {
      for (const { name, expr } of queries) {
        const found = await prometheus.query(interpolated(expr, ALL));
        assert.deepEqual(
          found.map(({ value }) => value[1]),
          expr.endsWith(' or on() vector(0)') ? ['0'] : [],
          name,
        );
      }
    });
  });
}
