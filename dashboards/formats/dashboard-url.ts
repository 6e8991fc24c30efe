import { LABEL } from '../../exporter/names.js';
import type { Alert } from '../rules/alert.js';
import type { RulesConfig } from '../rules/config.js';
import { place } from '../rules/promql.js';

/** How much of the time before the alert the dashboard shows, in seconds. */
const BEFORE = 3600;
/** The link changes no more often than this, in seconds, and shows what follows until then. */
const STEP = 900;

/**
 * The dashboard of an alert with cluster, node, GPU and time filled in, as a template of Prometheus: about the hour before the rule was
 * last evaluated, so that the link still shows the incident when somebody opens it the next morning.
 */
export function dashboardUrl({ panel, query }: Alert, config: RulesConfig): string {
  const labels = [...place(config), LABEL.pciBdf].filter((label) => query.includes(label));
  const variables = labels.map((label) => `{{ with $labels.${label} }}var-${label}={{ . | urlquery }}&{{ end }}`);
  const milliseconds = (shift: string) =>
    `{{ with query "1e3 * (time() - time() % ${STEP} ${shift})" }}{{ . | first | value | printf "%.0f" }}{{ end }}`;
  const range = `from=${milliseconds(`- ${BEFORE}`)}&to=${milliseconds(`+ ${STEP}`)}`;
  return `${config.grafanaUrl}/d/${panel.dashboard}?${variables.join('')}${range}`;
}
