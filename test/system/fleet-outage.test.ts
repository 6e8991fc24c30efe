import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { alertmanagerConfig } from '../../dashboards/formats/alertmanager.js';
import { prometheusRules } from '../../dashboards/formats/prometheus.js';
import { DEFAULT_RULES_CONFIG, toSeconds, type RulesConfig } from '../../dashboards/rules/config.js';
import { waitFor } from '../helpers/wait-for.js';
import { startAlertmanager, type AlertmanagerServer } from './alertmanager-server.js';
import { startDemo } from './demo-exporter.js';
import { startPrometheusWith, type PrometheusServer } from './prometheus-server.js';
import { tool } from './tool.js';
import { startWebhook, type Webhook } from './webhook.js';

const NODES = 200;
/** What one incident may cost, in pages. */
const MOST_PAGES = 3;
const DEADLINE = { deadlineMs: 600_000 };
/** How long Alertmanager collects alerts of one kind before its first page, and then before each one that follows. */
const [GROUP_WAIT, GROUP_INTERVAL] = ['20s', '30s'] as const;

/** The rules as they are, in a hurry; yet a busy machine scrapes 200 targets well within the time that Alertmanager waits. */
const CONFIG: RulesConfig = {
  ...DEFAULT_RULES_CONFIG,
  scrapeInterval: '5s',
  eventWindow: '20s',
  eventKeepFiringFor: '1s',
  wedgedKeepFiringFor: '30s',
  exporterDownFor: '20s',
};

for (const version of ['2', '3'] as const) {
  describe(`${NODES} nodes that fail at once, with Prometheus ${version} and the Alertmanager beside it`, () => {
    let webhook: Webhook;
    let alertmanager: AlertmanagerServer;
    let fleet: Fleet;
    let prometheus: PrometheusServer;

    before(async () => {
      webhook = await startWebhook();
      const receiver = { webhook_configs: [{ url: webhook.url, send_resolved: false }] };
      alertmanager = await startAlertmanager(
        tool('ALERTMANAGER', version),
        alertmanagerConfig(CONFIG, { receiver, groupWait: GROUP_WAIT, groupInterval: GROUP_INTERVAL }),
      );
      fleet = await startFleet(await metricsBeforeAndAfter());
      const targets = Array.from({ length: NODES }, (_, node) => ({
        targets: [fleet.address],
        labels: { cluster: 'a', node: `gpu-${node}`, instance: `gpu-${node}:9464` },
      }));
      prometheus = await startPrometheusWith(tool('PROMETHEUS', version), {
        'rules.yaml': prometheusRules(CONFIG),
        'prometheus.yml': `
global: {scrape_interval: ${CONFIG.scrapeInterval}, scrape_timeout: 5s, evaluation_interval: 1s}
rule_files: [rules.yaml]
alerting: {alertmanagers: [{static_configs: [{targets: ['${new URL(alertmanager.url).host}']}]}]}
scrape_configs: [{job_name: xe-exporter, static_configs: ${JSON.stringify(targets)}}]
`,
      });
    });
    after(async () => {
      fleet?.stop();
      for (const part of [prometheus, alertmanager, webhook]) await part?.stop();
    });

    /** Pages so far, and waits until one of them holds an alert of every node. */
    const pagesWith = (alertname: string, alerts: number) =>
      waitFor(
        () => {
          const found = webhook.notifications.find(
            (one) => one.groupLabels['alertname'] === alertname && one.alerts.length >= alerts,
          );
          return found && webhook.notifications;
        },
        { ...DEADLINE, what: `a page of ${alertname} with ${alerts} alerts` },
      );
    /** Waits until no page that belongs to the incident can follow: whatever had to be said would have been. */
    const quiet = () =>
      waitFor(() => webhook.silentMs() > 1000 * (toSeconds(GROUP_WAIT) + toSeconds(GROUP_INTERVAL)), {
        ...DEADLINE,
        what: 'the pager to be silent',
      });
    const summary = () =>
      webhook.notifications
        .map(({ groupLabels, alerts }) => `${groupLabels['alertname']} x${alerts.length}`)
        .join(', ');

    it('page once for all wedged GPUs', async () => {
      const known = `count(xe_device_wedged == 0) == ${2 * NODES}`;
      await waitFor(async () => (await prometheus.query(known)).length > 0, { ...DEADLINE, what: 'the whole fleet' });
      fleet.wedge();
      await pagesWith('XeDeviceWedged', NODES);
      await quiet();
      assert.ok(webhook.notifications.length <= MOST_PAGES, summary());
    });

    it('page once for all exporters, critical, and not once for each', async () => {
      const before = webhook.notifications.length;
      fleet.stop();
      await pagesWith('XeExportersDown', 1);
      const down = await waitFor(
        async () => {
          const found = (await alertmanager.alerts()).filter(({ labels }) => labels['alertname'] === 'XeExporterDown');
          return found.length === NODES && found.every(({ status }) => status.state === 'suppressed');
        },
        { ...DEADLINE, what: 'the alerts of the nodes to be inhibited' },
      );
      assert.ok(down);
      await quiet();
      assert.ok(webhook.notifications.length - before <= MOST_PAGES, summary());
      const critical = webhook.alerts.find(({ labels }) => labels['alertname'] === 'XeExportersDown');
      assert.deepEqual([critical?.labels['severity'], critical?.labels['cluster']], ['critical', 'a']);
      assert.match(critical?.annotations['summary'] ?? '', /^100% of all xe-exporters of cluster a /);
    });
  });
}

/** What /metrics of a node says while both of its GPUs are well, and after one has been wedged. */
interface NodeMetrics {
  readonly well: string;
  readonly wedged: string;
}

/** From one real exporter, which stands for all. */
async function metricsBeforeAndAfter(): Promise<NodeMetrics> {
  const demo = await startDemo({ flags: ['--demo-rate=0.01', '--demo-wedge-every=20s'] });
  const metricsWith = (wedgedGpus: number) =>
    waitFor(
      async () => {
        const text = await (await fetch(demo.metricsUrl)).text();
        const states = [...text.matchAll(/^xe_device_wedged\{.*\} (\d)$/gm)].map(([, value]) => Number(value));
        return states.length === 2 && states[0]! + states[1]! === wedgedGpus && text;
      },
      { ...DEADLINE, what: `${wedgedGpus} wedged GPUs` },
    );
  try {
    return { well: await metricsWith(0), wedged: await metricsWith(1) };
  } finally {
    await demo.stop();
  }
}

/** Nodes that all say the same, to any number of scrapes. */
interface Fleet {
  /** `127.0.0.1:PORT` of every one of them. */
  readonly address: string;
  /** One GPU of every node at the same moment. */
  wedge(): void;
  stop(): void;
}

async function startFleet({ well, wedged }: NodeMetrics): Promise<Fleet> {
  let text = well;
  const server = createServer((_request, response) =>
    response.setHeader('content-type', 'text/plain; version=0.0.4').end(text),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    wedge: () => void (text = wedged),
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
