import { alertmanagerConfig } from './formats/alertmanager.js';
import { dashboardJson, nodeDashboardWithLogEvents } from './formats/dashboard-json.js';
import { withAlertTable } from './formats/alert-table.js';
import { grafanaAlerting } from './formats/grafana.js';
import { prometheusRule, prometheusRules } from './formats/prometheus.js';
import { DEFAULT_RULES_CONFIG } from './rules/config.js';

/** THE LIST of generated files by their path in the repository. */
const FILES: Readonly<Record<string, string>> = {
  'dashboards/out/prometheus/xe-exporter.rules.yaml': prometheusRules(DEFAULT_RULES_CONFIG),
  'dashboards/out/kubernetes/prometheusrule.yaml': prometheusRule(DEFAULT_RULES_CONFIG),
  'dashboards/out/grafana/alerting/xe-exporter.yaml': grafanaAlerting(DEFAULT_RULES_CONFIG),
  'dashboards/out/grafana/dashboards/xe-fleet.json': dashboardJson('xe-fleet'),
  'dashboards/out/grafana/dashboards/xe-node.json': dashboardJson('xe-node'),
  'dashboards/out/grafana/with-loki/xe-node.json': nodeDashboardWithLogEvents(),
  'dashboards/out/grafana/dashboards/xe-exporter-health.json': dashboardJson('xe-exporter-health'),
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
