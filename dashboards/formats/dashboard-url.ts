import { LABEL } from '../../exporter/names.js';
import type { Alert } from '../rules/alert.js';
import type { RulesConfig } from '../rules/config.js';
import { place } from '../rules/promql.js';

/** How much of the time before the alert the dashboard shows, in seconds. */
const BEFORE_SECONDS = 3600;

/**
 * The dashboard of an alert with cluster, node, GPU and time filled in, as a template of Prometheus: the hour before the rule was last
 * evaluated, so that the link still shows the incident when somebody opens it the next morning.
 */
export function dashboardUrl({ panel, query }: Alert, config: RulesConfig): string {
  const labels = [...place(config), LABEL.pciBdf].filter((label) => query.includes(label));
  const variables = labels.map((label) => `{{ with $labels.${label} }}var-${label}={{ . | urlquery }}&{{ end }}`);
  const milliseconds = (ago: number) =>
    `{{ with query "1e3 * (time() - ${ago})" }}{{ . | first | value | printf "%.0f" }}{{ end }}`;
  return `${config.grafanaUrl}/d/${panel.dashboard}?${variables.join('')}from=${milliseconds(BEFORE_SECONDS)}&to=${milliseconds(0)}`;
}
