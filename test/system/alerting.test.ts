import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { alertmanagerConfig } from '../../dashboards/formats/alertmanager.js';
import { prometheusRules } from '../../dashboards/formats/prometheus.js';
import { DEFAULT_RULES_CONFIG, type RulesConfig } from '../../dashboards/rules/config.js';
import { ATTRIBUTE, KERNEL_EVENT, PATH } from '../../exporter/names.js';
import { grafanaDashboards, interpolated } from '../helpers/grafana.js';
import { waitFor } from '../helpers/wait-for.js';
import { startAlertmanager, type AlertmanagerServer, type ManagedAlert } from './alertmanager-server.js';
import { startDemo, type RunningExporter } from './demo-exporter.js';
import { startPrometheusWith, type PrometheusServer } from './prometheus-server.js';
import { tool } from './tool.js';
import { startWebhook, type NotifiedAlert, type Webhook } from './webhook.js';

/** The rules as they are, in a hurry; an alert outlasts a few scrapes that a busy machine does not get done in time. */
const CONFIG: RulesConfig = {
  ...DEFAULT_RULES_CONFIG,
  scrapeInterval: '1s',
  eventWindow: '8s',
  eventKeepFiringFor: '5s',
  wedgedKeepFiringFor: '1s',
};
const DEMO = 'demo-node';
const HURT = 'hurt-node';
const DEADLINE = { deadlineMs: 300_000 };

/** An error every twenty seconds, each of another pod: which one pages first depends on how soon Prometheus is there. */
const CALM = ['--demo-rate=0.05'];

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
      [hurt, demo] = await Promise.all([startDemo({ flags: STORMY }), startDemo({ flags: CALM })]);
      prometheus = await startPrometheusWith(tool('PROMETHEUS', version), {
        'rules.yaml': prometheusRules(CONFIG),
        'prometheus.yml': `
global: {scrape_interval: ${CONFIG.scrapeInterval}, scrape_timeout: ${CONFIG.scrapeInterval}, evaluation_interval: 500ms}
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

    /** The first page about a pod of the calm node. */
    const firstPage = () => pages('firing', { alertname: 'XeVMRebindOOMPod', node: DEMO });

    it('pages once for the pod that ran out of memory, and says so when it is over', async () => {
      const { labels, annotations, startsAt } = await firstPage();
      const { pci_bdf: gpu, k8s_namespace_name: namespace, k8s_pod_name: pod, ...others } = labels;
      assert.deepEqual(others, { alertname: 'XeVMRebindOOMPod', node: DEMO, severity: 'warning' });
      assert.ok([WELL_GPU, WEDGED_GPU].includes(gpu!), gpu);
      assert.equal(annotations['summary'], `Pod ${namespace}/${pod} ran out of memory on GPU ${gpu} on node ${DEMO}`);
      assert.match(annotations['description'] ?? '', / in the last 8 seconds\..* First: restart the job/);
      const runbook = annotations['runbook_url'] ?? '';
      assert.ok(runbook.startsWith(CONFIG.runbookBase));
      assert.ok(existsSync(`dashboards/runbooks${runbook.slice(CONFIG.runbookBase.length)}`), runbook);

      const over = await pages('resolved', labels);
      assert.equal(over.startsAt, startsAt);
      const untilThen = webhook.alerts.slice(0, webhook.alerts.indexOf(over));
      const firing = untilThen.filter((alert) => alert.status === 'firing' && holds(alert, labels));
      assert.deepEqual([...new Set(firing.map((alert) => alert.startsAt))], [startsAt]);
    });

    it('keeps the alert of the device to itself, which says less', async () => {
      const ofDevice = { alertname: 'XeVMRebindOOM', node: DEMO };
      await waitFor(
        async () =>
          (await alertmanager.alerts()).some((alert) => holds(alert, ofDevice) && alert.status.inhibitedBy.length > 0),
        { ...DEADLINE, what: 'Alertmanager to inhibit the alert of the device' },
      );
    });

    it('leads from the page to the pod, the time, the holder and the remedy, by its links alone', async () => {
      const { labels, annotations } = await firstPage();
      const job = `${labels['k8s_namespace_name']}/${labels['k8s_pod_name']}`;
      // First click: the dashboard, with what the link fills in.
      const link = new URL(annotations['dashboard_url']!, 'http://grafana.example.com');
      const dashboard = grafanaDashboards().get(link.pathname.replace('/d/', ''));
      assert.ok(dashboard, link.pathname);
      const chosen = Object.fromEntries(
        dashboard.templating.list.map(({ name }) => [name, link.searchParams.get(`var-${name}`) ?? '.*']),
      );
      assert.deepEqual([chosen['node'], chosen['pci_bdf']], [DEMO, labels['pci_bdf']]);
      const [from, to] = ['from', 'to'].map((name) => Number(link.searchParams.get(name))) as [number, number];
      await waitFor(async () => (await timesOfErrors(demo.url, job)).some((time) => from < time && time < to), {
        ...DEADLINE,
        what: `an error of ${job} between ${from} and ${to}`,
      });
      const range = { __range: '1h', __range_s: '3600' };
      const rows = async (title: string) => {
        const panel = dashboard.panels.find((one) => one.title === title);
        assert.ok(panel, title);
        return prometheus.query(interpolated(panel.targets[0]!.expr, { ...range, ...chosen }));
      };
      // The first panel: who, and when, as the exporter itself has it.
      const hit = (await rows('Who ran out of GPU memory, and when')).find(({ metric }) => metric['workload'] === job);
      assert.ok(hit, job);
      const isWhenItSays = (time: number) => Math.abs(time - Number(hit.value[1])) < 1000;
      await waitFor(async () => (await timesOfErrors(demo.url, job)).some(isWhenItSays), {
        ...DEADLINE,
        what: `an error of ${job} at ${hit.value[1]}`,
      });
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
      assert.equal((await pages('firing', wedged)).labels['severity'], 'critical');
      // It is wedged and recovers again and again: at some time all three are there at once.
      await waitFor(
        async () => {
          const found = await alertmanager.alerts();
          const stateOf = (labels: Record<string, string>) =>
            new Set(found.filter((alert) => holds(alert, labels)).map(({ status }) => status.state));
          const states = [wedged, jobOnIt, jobBeside].map((labels) => [...stateOf(labels)].join());
          return states.join(' ') === 'active suppressed active';
        },
        { ...DEADLINE, what: 'Alertmanager to inhibit the failed jobs of the wedged GPU, and only those' },
      );
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

/** When the exporter says that the job met errors, in Unix milliseconds. */
async function timesOfErrors(url: string, job: string): Promise<readonly number[]> {
  const response = await fetch(`${url}${PATH.events}?format=json`);
  const { events } = (await response.json()) as { events: readonly LoggedEvent[] };
  return events
    .filter(({ event_name: name }) => name === KERNEL_EVENT.vmRebindError)
    .filter(({ attributes: { [ATTRIBUTE.k8sNamespace]: ns, [ATTRIBUTE.k8sPod]: pod } }) => `${ns}/${pod}` === job)
    .map(({ timestamp }) => Date.parse(timestamp));
}

interface LoggedEvent {
  readonly timestamp: string;
  readonly event_name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

function holds({ labels }: { readonly labels: Readonly<Record<string, string>> }, wanted: Record<string, string>) {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
