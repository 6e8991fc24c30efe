import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { alertmanagerConfig } from '../../dashboards/formats/alertmanager.js';
import { prometheusRules } from '../../dashboards/formats/prometheus.js';
import { DEFAULT_RULES_CONFIG, type RulesConfig } from '../../dashboards/rules/config.js';
import { grafanaDashboards, interpolated } from '../helpers/grafana.js';
import { waitFor } from '../helpers/wait-for.js';
import { startAlertmanager, type AlertmanagerServer, type ManagedAlert } from './alertmanager-server.js';
import { startDemo, type RunningExporter } from './demo-exporter.js';
import { startPrometheusWith, type PrometheusServer } from './prometheus-server.js';
import { tool } from './tool.js';
import { startWebhook, type NotifiedAlert, type Webhook } from './webhook.js';

/** The rules as they are, in a hurry. */
const CONFIG: RulesConfig = {
  ...DEFAULT_RULES_CONFIG,
  scrapeInterval: '500ms',
  eventWindow: '8s',
  eventKeepFiringFor: '1s',
  wedgedKeepFiringFor: '1s',
};
const DEMO = 'demo-node';
const HURT = 'hurt-node';
const DEADLINE = { deadlineMs: 60_000 };

/** An error every twenty seconds, each of another pod; the first is of this one. */
const CALM = ['--demo-rate=0.05'];
const FIRST_POD = {
  pci_bdf: '0000:03:00.0',
  k8s_namespace_name: 'team-llm',
  k8s_pod_name: 'llama-finetune-0',
};

/** Errors of both GPUs at any time; the second GPU is wedged for twenty seconds, well for as long, and so on. */
const STORMY = ['--demo-rate=2', '--demo-wedge-every=40s'];

for (const version of ['2', '3'] as const) {
  describe(`from the error to the pager, with Prometheus ${version} and the Alertmanager beside it`, () => {
    const WELL_GPU = '0000:03:00.0';
    const WEDGED_GPU = '0000:04:00.0';
    let webhook: Webhook;
    let alertmanager: AlertmanagerServer;
    let demo: RunningExporter;
    let hurt: RunningExporter;
    let prometheus: PrometheusServer;

    before(async () => {
      webhook = await startWebhook();
      const receiver = { webhook_configs: [{ url: webhook.url, send_resolved: true }] };
      alertmanager = await startAlertmanager(
        tool('ALERTMANAGER', version),
        alertmanagerConfig(CONFIG, { receiver, groupWait: '4s', groupInterval: '1s' }),
      );
      hurt = await startDemo({ flags: STORMY });
      // Last, because its first error is to be after the first scrape.
      demo = await startDemo({ flags: CALM });
      prometheus = await startPrometheusWith(tool('PROMETHEUS', version), {
        'rules.yaml': prometheusRules(CONFIG),
        'prometheus.yml': `
global: {scrape_interval: ${CONFIG.scrapeInterval}, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: [rules.yaml]
alerting: {alertmanagers: [{static_configs: [{targets: ['${new URL(alertmanager.url).host}']}]}]}
scrape_configs:
  - job_name: xe-exporter
    static_configs:
      - {targets: ['${new URL(demo.metricsUrl).host}'], labels: {node: ${DEMO}}}
      - {targets: ['${new URL(hurt.metricsUrl).host}'], labels: {node: ${HURT}}}
`,
      });
    });
    after(async () => {
      for (const part of [prometheus, demo, hurt, alertmanager, webhook]) await part?.stop();
    });

    const paged = (status: NotifiedAlert['status'], labels: Readonly<Record<string, string>>) =>
      webhook.alerts.filter((alert) => alert.status === status && holds(alert, labels));
    const pages = (status: NotifiedAlert['status'], labels: Readonly<Record<string, string>>) =>
      waitFor(() => paged(status, labels)[0], {
        ...DEADLINE,
        what: `the pager to say ${status} ${JSON.stringify(labels)}`,
      });

    it('pages once for the pod that ran out of memory, and says so when it is over', async () => {
      const victim = { alertname: 'XeVMRebindOOMPod', node: DEMO, ...FIRST_POD };
      const { labels, annotations } = await pages('firing', victim);
      assert.deepEqual(labels, { ...victim, severity: 'warning' });
      assert.equal(
        annotations['summary'],
        'Pod team-llm/llama-finetune-0 ran out of memory on GPU 0000:03:00.0 on node demo-node',
      );
      assert.match(annotations['description'] ?? '', /once in the last 8 seconds\..* First: restart the job/);
      const runbook = annotations['runbook_url'] ?? '';
      assert.ok(runbook.startsWith(CONFIG.runbookBase));
      assert.ok(existsSync(`dashboards/runbooks${runbook.slice(CONFIG.runbookBase.length)}`), runbook);

      await pages('resolved', victim);
      assert.equal(new Set(paged('firing', victim).map(({ startsAt }) => startsAt)).size, 1);
      // The alert of the device says less and stays silent.
      assert.deepEqual(paged('firing', { alertname: 'XeVMRebindOOM', node: DEMO }), []);
    });

    it('leads from the page to the pod, the time, the holder and the remedy, by its links alone', async () => {
      const { annotations, startsAt } = await pages('firing', {
        alertname: 'XeVMRebindOOMPod',
        node: DEMO,
        ...FIRST_POD,
      });
      // First click: the dashboard, with what the link fills in.
      const link = new URL(annotations['dashboard_url']!, 'http://grafana.example.com');
      const dashboard = grafanaDashboards().get(link.pathname.replace('/d/', ''));
      assert.ok(dashboard, link.pathname);
      const [from, to] = ['from', 'to'].map((name) => Number(link.searchParams.get(name)) / 1000) as [number, number];
      assert.ok(from < Date.parse(startsAt) / 1000 && to > Date.parse(startsAt) / 1000 - 5, link.search);
      const chosen = Object.fromEntries(
        dashboard.templating.list.map(({ name }) => [name, link.searchParams.get(`var-${name}`) ?? '.*']),
      );
      assert.deepEqual([chosen['node'], chosen['pci_bdf']], [DEMO, FIRST_POD.pci_bdf]);
      const range = { __range: '1h', __range_s: '3600' };
      const rows = async (title: string) => {
        const panel = dashboard.panels.find((one) => one.title === title);
        assert.ok(panel, title);
        return prometheus.query(interpolated(panel.targets[0]!.expr, { ...range, ...chosen }));
      };
      // The first panel: who, and when.
      const job = `${FIRST_POD.k8s_namespace_name}/${FIRST_POD.k8s_pod_name}`;
      const hit = (await rows('Who ran out of GPU memory, and when')).find(({ metric }) => metric['workload'] === job);
      assert.ok(hit && Math.abs(Number(hit.value[1]) - Date.parse(startsAt)) < 15_000, JSON.stringify(hit));
      // Beside it: who held the memory.
      const holders = await rows('Who held the memory');
      assert.ok(holders.some(({ metric, value }) => metric['workload'] && Number(value[1]) > 2 ** 30));
      // Second click: the runbook, with what to do.
      const runbook = readFileSync(
        `dashboards/runbooks/${annotations['runbook_url']!.slice(CONFIG.runbookBase.length + 1)}`,
        'utf8',
      );
      assert.match(runbook, /## Mitigation\n\n1\. .*restart the job/);
    });

    const wedged = { alertname: 'XeDeviceWedged', node: HURT, pci_bdf: WEDGED_GPU };
    const jobOnIt = { alertname: 'XeVMRebindOOMPod', node: HURT, pci_bdf: WEDGED_GPU };
    const jobBeside = { alertname: 'XeVMRebindOOMPod', node: HURT, pci_bdf: WELL_GPU };

    it('pages for a wedged GPU and not for the jobs it fails; those of another GPU page as always', async () => {
      // The first wedging may have begun before Prometheus was there to see it.
      await pages('resolved', wedged);
      const before = paged('firing', wedged).length;
      await waitFor(() => paged('firing', wedged).length > before, { ...DEADLINE, what: 'the GPU to be wedged again' });
      assert.equal(paged('firing', wedged).at(-1)?.labels['severity'], 'critical');

      const pagedOfJobs = paged('firing', jobOnIt).length;
      const states = await waitFor(
        async () => {
          const found = await alertmanager.alerts();
          const stateOf = (labels: Record<string, string>) =>
            new Set(found.filter((alert) => holds(alert, labels)).map(({ status }) => status.state));
          const now = { wedged: stateOf(wedged), onIt: stateOf(jobOnIt), beside: stateOf(jobBeside) };
          return now.onIt.size > 0 && now.beside.has('active') && now;
        },
        { ...DEADLINE, what: 'Alertmanager to know of failed jobs of both GPUs' },
      );
      assert.deepEqual([...states.wedged], ['active']);
      assert.deepEqual([...states.onIt], ['suppressed']);
      assert.deepEqual([...states.beside], ['active']);
      assert.equal(paged('firing', jobOnIt).length, pagedOfJobs);
    });

    it('resolves when the GPU is rebound, and its jobs page again', async () => {
      const resolved = paged('resolved', wedged).length;
      await waitFor(() => paged('resolved', wedged).length > resolved, { ...DEADLINE, what: 'the GPU to recover' });
      const isActive = (alert: ManagedAlert) => holds(alert, jobOnIt) && alert.status.state === 'active';
      await waitFor(async () => (await alertmanager.alerts()).some(isActive), {
        ...DEADLINE,
        what: 'a failed job on it that is not silenced',
      });
    });
  });
}

function holds({ labels }: { readonly labels: Readonly<Record<string, string>> }, wanted: Record<string, string>) {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
