import { alertmanagerConfig } from './formats/alertmanager.js';
import { dashboardJson, nodeDashboardWithLogEvents } from './formats/dashboard-json.js';
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

/** What every generated file should hold, by path. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map(Object.entries(FILES));
}
