import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { alertmanagerConfig } from './formats/alertmanager.js';
import { exporterHealthDashboard } from './dashboards/exporter-health.js';
import { fleetDashboard } from './dashboards/fleet.js';
import { withLogEvents } from './dashboards/log-events.js';
import { nodeDashboard } from './dashboards/node.js';
import { withAlertTable } from './formats/alert-table.js';
import { grafanaAlerting } from './formats/grafana.js';
import { prometheusRule, prometheusRules } from './formats/prometheus.js';
import { DEFAULT_RULES_CONFIG } from './rules/config.js';

/** A dashboard as Grafana imports it. */
function json(dashboard: DashboardBuilder): string {
  return `${JSON.stringify(dashboard.build(), null, 2)}\n`;
}

/** THE LIST of generated files by their path in the repository. */
const FILES: Readonly<Record<string, string>> = {
  'dashboards/out/prometheus/xe-exporter.rules.yaml': prometheusRules(DEFAULT_RULES_CONFIG),
  'dashboards/out/kubernetes/prometheusrule.yaml': prometheusRule(DEFAULT_RULES_CONFIG),
  'dashboards/out/grafana/alerting/xe-exporter.yaml': grafanaAlerting(DEFAULT_RULES_CONFIG),
  'dashboards/out/grafana/dashboards/xe-fleet.json': json(fleetDashboard()),
  'dashboards/out/grafana/dashboards/xe-node.json': json(nodeDashboard()),
  'dashboards/out/grafana/with-loki/xe-node.json': json(withLogEvents(nodeDashboard())),
  'dashboards/out/grafana/dashboards/xe-exporter-health.json': json(exporterHealthDashboard()),
  'dashboards/out/alertmanager/alertmanager.yaml': alertmanagerConfig(DEFAULT_RULES_CONFIG),
};

/**
 * What every generated file should hold, by path.
 * @param readme the README as it is: only its table of alerts is generated
 */
export function generatedFiles(readme: string): ReadonlyMap<string, string> {
  const updated = withAlertTable(readme);
  if (updated === undefined) throw new Error('README.md has no <!-- alerts --> and <!-- /alerts --> markers');
  return new Map([...Object.entries(FILES), ['README.md', updated]]);
}
