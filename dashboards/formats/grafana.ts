import { annotations, expression, type Alert } from '../rules/alert.js';
import type { RulesConfig } from '../rules/config.js';
import { ruleGroups } from '../rules/index.js';
import { panelId } from './dashboard-json.js';
import { toYaml } from './yaml.js';

/** Uid of the Prometheus data source that the rules ask. */
const DATA_SOURCE_UID = 'prometheus';
const FOLDER = 'xe-exporter';
const INTERVAL = '30s';
/** How far back Grafana lets a query look, in seconds; an instant query looks at its end only. */
const RANGE_SECONDS = 600;

/**
 * Grafana-managed alert rules for the folder provisioning/alerting. Recording rules are not among them: they belong to
 * Prometheus. The fields are those of Grafana's own reader (pkg/services/provisioning/alerting/rules_types.go).
 */
export function grafanaAlerting(config: RulesConfig): string {
  const groups = ruleGroups(config).map(({ name, alerts }) => ({
    orgId: 1,
    name,
    folder: FOLDER,
    interval: INTERVAL,
    rules: alerts.map((alert) => grafanaRule(alert, config)),
  }));
  return toYaml(
    { apiVersion: 1, groups },
    `datasourceUid "${DATA_SOURCE_UID}" is the uid of your Prometheus data source.`,
    'Grafana has no inhibition here: an alert for a wedged GPU comes with those of its jobs.',
  );
}

function grafanaRule(alert: Alert, config: RulesConfig) {
  return {
    uid: `xe-exporter-${alert.name.toLowerCase()}`,
    title: alert.name,
    condition: 'B',
    data: [
      {
        refId: 'A',
        relativeTimeRange: { from: RANGE_SECONDS, to: 0 },
        datasourceUid: DATA_SOURCE_UID,
        model: { refId: 'A', expr: expression(alert), instant: true, range: false },
      },
      {
        refId: 'B',
        relativeTimeRange: { from: RANGE_SECONDS, to: 0 },
        datasourceUid: '__expr__',
        model: {
          refId: 'B',
          type: 'threshold',
          expression: 'A',
          // True of whatever A finds; A leaves out what is well, because Grafana limits the results of a rule.
          conditions: [{ evaluator: evaluator(alert) }],
        },
      },
    ],
    // No series is no trouble; XeExporterAbsent and XeExporterDown tell when there should be some.
    noDataState: 'OK',
    // A data source that cannot be asked is another fault than the alert's.
    execErrState: 'Error',
    for: alert.for ?? '0s',
    ...(alert.keepFiringFor && { keepFiringFor: alert.keepFiringFor }),
    annotations: {
      ...Object.fromEntries(
        Object.entries(annotations(alert, config)).map(([name, text]) => [name, grafanaTemplate(text)]),
      ),
      // Grafana makes the link itself, with the time of the alert.
      __dashboardUid__: alert.panel.dashboard,
      __panelId__: String(panelId(alert.panel)),
    },
    labels: { severity: alert.severity },
    isPaused: false,
  };
}

function evaluator({ when }: Alert) {
  return 'above' in when ? { type: 'gt', params: [when.above] } : { type: 'lt', params: [when.below] };
}

/** Prometheus' `$value` is a number; Grafana's is a sentence about all queries, and the number of A is elsewhere. */
function grafanaTemplate(text: string): string {
  return text.replaceAll('$value', '$values.A.Value');
}
