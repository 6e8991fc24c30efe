import { annotations, type Alert } from '../../dashboards/rules/alert.js';
import { DEFAULT_RULES_CONFIG, type RulesConfig } from '../../dashboards/rules/config.js';
import { allAlerts } from '../../dashboards/rules/index.js';
import { onNode, TIMES, VICTIM } from '../../dashboards/rules/wording.js';
import { markdownTable } from './markdown.js';

/** Everything that can be switched on is on: the reference has every alert. */
const CONFIG: RulesConfig = {
  ...DEFAULT_RULES_CONFIG,
  vramNearlyFull: { ...DEFAULT_RULES_CONFIG.vramNearlyFull, enabled: true },
};

/** docs/alerts.md: every alert, from the rules themselves. */
export function alertReference(): string {
  const alerts = allAlerts(CONFIG);
  return `# Alerts

Ready to use in \`dashboards/out\`, in three formats:

| Where you evaluate rules | File | How |
| --- | --- | --- |
| Prometheus | [xe-exporter.rules.yaml](../dashboards/out/prometheus/xe-exporter.rules.yaml) | copy it to a folder listed in \`rule_files\` and reload |
| Prometheus operator | [prometheusrule.yaml](../dashboards/out/kubernetes/prometheusrule.yaml) | \`kubectl apply -f\` it with the labels your \`ruleSelector\` expects, or set \`prometheusRule.enabled=true\` in the chart |
| Grafana | [xe-exporter.yaml](../dashboards/out/grafana/alerting/xe-exporter.yaml) | copy it to \`provisioning/alerting\` and restart |

Two requirements: every target needs a label \`${CONFIG.nodeLabel}\`, because PCI addresses repeat from node to node, and a scrape interval of
30 s or less, because every window has to hold four scrapes. [alertmanager.yaml](../dashboards/out/alertmanager/alertmanager.yaml) is
an example; its \`inhibit_rules\` and groups make a fault page once, however many nodes it hits, and make a wedged GPU page instead of its jobs.

Alerts link to the dashboards with a relative URL. Put your Grafana in front of it, or set \`prometheusRule.grafanaUrl\` in the chart:

\`\`\`sh
sed -i 's#dashboard_url: /d/#dashboard_url: https://grafana.example.com/d/#' xe-exporter.rules.yaml
\`\`\`

Thresholds and windows live in
[dashboards/rules/config.ts](../dashboards/rules/config.ts), each with the reason you might change it; \`npm run dashboards\` rebuilds the files.

*critical* is meant to wake somebody, *warning* to be looked at the same day, *info* to be read beside other alerts.

${markdownTable([
  ['Alert', 'Severity', 'Fires after', 'Summary'],
  ...alerts.map((alert) => [
    `[\`${alert.name}\`](#${alert.name.toLowerCase()})`,
    alert.severity,
    alert.for ?? 'at once',
    plain(alert.summary),
  ]),
])}

${alerts.map(section).join('\n\n')}
`;
}

function section(alert: Alert): string {
  const { description } = annotations(alert, CONFIG);
  const { name, panel, severity, for: pending = 'at once', keepFiringFor } = alert;
  const facts = [
    severity,
    pending === 'at once' ? 'fires at once' : `fires after ${pending}`,
    ...(keepFiringFor === undefined ? [] : [`keeps firing for ${keepFiringFor}`]),
    ...(isShipped(alert) ? [] : ['off by default']),
  ];
  return `## ${name}

*${facts.join(', ')}.* ${plain(description)} Look at *${panel.title}* on the dashboard \`${panel.dashboard}\`, and at the [runbook](../dashboards/runbooks/${name}.md).`;
}

function isShipped({ name }: Alert): boolean {
  return allAlerts(DEFAULT_RULES_CONFIG).some((alert) => alert.name === name);
}

/** An alert text with its Go templates replaced by what they stand for: label names in italics, N for the value. */
export function plain(template: string): string {
  return template
    .replaceAll(VICTIM, 'A pod, systemd unit or Slurm job')
    .replaceAll(TIMES, 'N times')
    .replaceAll(onNode(CONFIG), ` on node *${CONFIG.nodeLabel}*`)
    .replace(
      /\{\{ with \$labels\.(\w+) \}\}([^]*?)(?:\{\{ else \}\}[^]*?)?\{\{ end \}\}/g,
      (_, label: string, body: string) => body.replaceAll('{{ . }}', `*${label}*`),
    )
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, '*$1*')
    .replace(/\{\{ \$value[^}]*\}\}/g, 'N');
}
