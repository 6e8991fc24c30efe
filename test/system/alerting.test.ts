import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { alertmanagerConfig } from '../../dashboards/formats/alertmanager.js';
import { prometheusRules } from '../../dashboards/formats/prometheus.js';
import { DEFAULT_RULES_CONFIG, type RulesConfig } from '../../dashboards/rules/config.js';
import { ExporterMetrics } from '../../exporter/telemetry/exporter-metrics.js';
import { ERRNO_LABELS } from '../../exporter/telemetry/names.js';
import { EXPOSITION_CONTENT_TYPE } from '../../exporter/telemetry/registry.js';
import { aDevice, aWorkload } from '../helpers/events.js';
import { waitFor } from '../helpers/wait-for.js';
import { startAlertmanager, type AlertmanagerServer } from './alertmanager-server.js';
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

/** An error every ten seconds, each of another pod; the first is of this one. */
const DEMO_RATE = '--demo-rate=0.1';
const FIRST_POD = {
  pci_bdf: '0000:03:00.0',
  k8s_namespace_name: 'team-llm',
  k8s_pod_name: 'llama-finetune-0',
};

/**
 * A node with two GPUs whose driver can give one up. The demo's cannot, so this one serves what the exporter's own metrics show when a
 * test says so; all between /metrics and the pager is real.
 */
class HurtNode {
  static readonly #ENOMEM = ERRNO_LABELS.indexOf('ENOMEM');
  readonly #metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    sinks: [],
    version: '1.2.3',
    revision: '',
    nodeVersion: '20',
    processMetrics: false,
  });
  readonly #server: Server;

  constructor(...pciBdfs: readonly string[]) {
    for (const pciBdf of pciBdfs) {
      this.#metrics.devices.deviceDiscovered(aDevice({ pciBdf }));
      this.#metrics.devices.clientRebindErrors.acquire(pciBdf, aWorkload());
    }
    this.#server = createServer((_request, response) => {
      response.setHeader('content-type', EXPOSITION_CONTENT_TYPE.text);
      void this.#metrics.registry.render('text').then((text) => response.end(text));
    }).listen(0, '127.0.0.1');
  }

  async address(): Promise<string> {
    if (!this.#server.listening) await once(this.#server, 'listening');
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  setWedged(pciBdf: string, wedged: boolean): void {
    this.#metrics.devices.counters.setWedged(pciBdf, wedged);
  }

  /** Both counters of an incident, as the pipeline counts it. */
  runOutOfMemory(pciBdf: string): void {
    this.#metrics.devices.rebindErrors(pciBdf)[HurtNode.#ENOMEM]!.inc();
    const lease = this.#metrics.devices.clientRebindErrors.acquire(pciBdf, aWorkload());
    lease.counters[HurtNode.#ENOMEM]!.inc();
    lease.release();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

for (const version of ['2', '3'] as const) {
  describe(`from the error to the pager, with Prometheus ${version} and the Alertmanager beside it`, () => {
    const WELL_GPU = '0000:04:00.0';
    const WEDGED_GPU = '0000:03:00.0';
    let webhook: Webhook;
    let alertmanager: AlertmanagerServer;
    let hurt: HurtNode;
    let demo: RunningExporter;
    let prometheus: PrometheusServer;

    before(async () => {
      webhook = await startWebhook();
      const receiver = { webhook_configs: [{ url: webhook.url, send_resolved: true }] };
      alertmanager = await startAlertmanager(
        tool('ALERTMANAGER', version),
        alertmanagerConfig(CONFIG, { receiver, groupWait: '1s', groupInterval: '1s' }),
      );
      hurt = new HurtNode(WEDGED_GPU, WELL_GPU);
      demo = await startDemo({ flags: [DEMO_RATE] });
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
      - {targets: ['${await hurt.address()}'], labels: {node: ${HURT}}}
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
      assert.match(annotations['description'] ?? '', /about 1x in 8s;.* First: restart the job/);
      const runbook = annotations['runbook_url'] ?? '';
      assert.ok(runbook.startsWith(CONFIG.runbookBase));
      assert.ok(existsSync(`dashboards/runbooks${runbook.slice(CONFIG.runbookBase.length)}`), runbook);

      await pages('resolved', victim);
      assert.equal(paged('firing', victim).length, 1);
      // The alert of the device says less and stays silent.
      assert.deepEqual(paged('firing', { alertname: 'XeVMRebindOOM', node: DEMO }), []);
    });

    it('tells of a wedged GPU and not of the jobs it fails; those of another GPU page as ever', async () => {
      await waitFor(async () => (await prometheus.query(`count_over_time(up{node="${HURT}"}[1m]) >= 4`)).length > 0, {
        ...DEADLINE,
        what: 'four scrapes',
      });
      hurt.setWedged(WEDGED_GPU, true);
      const wedged = { alertname: 'XeDeviceWedged', node: HURT, pci_bdf: WEDGED_GPU };
      assert.equal((await pages('firing', wedged)).labels['severity'], 'critical');

      hurt.runOutOfMemory(WEDGED_GPU);
      hurt.runOutOfMemory(WELL_GPU);
      await pages('firing', { alertname: 'XeVMRebindOOMPod', node: HURT, pci_bdf: WELL_GPU });
      const failed = await waitFor(
        async () => {
          const found = (await alertmanager.alerts()).filter((alert) =>
            holds(alert, { node: HURT, pci_bdf: WEDGED_GPU }),
          );
          return found.length >= 3 && found;
        },
        { ...DEADLINE, what: 'Alertmanager to know of the wedged GPU and its failed job' },
      );
      const states = Object.fromEntries(failed.map(({ labels, status }) => [labels['alertname'], status.state]));
      assert.deepEqual(states, {
        XeDeviceWedged: 'active',
        XeVMRebindOOM: 'suppressed',
        XeVMRebindOOMPod: 'suppressed',
      });
      await pages('resolved', { alertname: 'XeVMRebindOOMPod', node: HURT, pci_bdf: WELL_GPU });
    });

    it('tells when the GPU is bound anew, and then of its jobs again', async () => {
      assert.equal(paged('resolved', { alertname: 'XeDeviceWedged' }).length, 0);
      hurt.setWedged(WEDGED_GPU, false);
      await pages('resolved', { alertname: 'XeDeviceWedged', node: HURT, pci_bdf: WEDGED_GPU });
      const job = { alertname: 'XeVMRebindOOMPod', node: HURT, pci_bdf: WEDGED_GPU };
      assert.deepEqual(paged('firing', job), []);
      hurt.runOutOfMemory(WEDGED_GPU);
      await pages('firing', job);
      await pages('resolved', job);
      assert.equal(paged('firing', job).length, 1);
    });
  });
}

function holds({ labels }: { readonly labels: Readonly<Record<string, string>> }, wanted: Record<string, string>) {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
