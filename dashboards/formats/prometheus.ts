import { annotations, expression, type Alert, type RuleGroup } from '../rules/alert.js';
import type { RulesConfig } from '../rules/config.js';
import { ruleGroups } from '../rules/index.js';
import { dashboardUrl } from './dashboard-url.js';
import { toYaml } from './yaml.js';

const NEEDS = 'Needs Prometheus 2.42 or newer (keep_firing_for).';

/** A rule file for `rule_files` of Prometheus. */
export function prometheusRules(config: RulesConfig): string {
  return toYaml({ groups: ruleGroups(config).map((group) => prometheusGroup(group, config)) }, NEEDS);
}

/** The same groups as a PrometheusRule of the Prometheus operator. */
export function prometheusRule(config: RulesConfig): string {
  const name = 'xe-exporter';
  const resource = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name, labels: { 'app.kubernetes.io/name': name } },
    spec: { groups: ruleGroups(config).map((group) => prometheusGroup(group, config)) },
  };
  return toYaml(resource, NEEDS);
}

function prometheusGroup({ name, alerts }: RuleGroup, config: RulesConfig) {
  return { name, rules: alerts.map((alert) => alertingRule(alert, config)) };
}

/** With what only Prometheus can fill in: the jobs that were hit, and the time of the alert in the link. */
function prometheusAnnotations(alert: Alert, config: RulesConfig) {
  const { description, ...others } = annotations(alert, config);
  return {
    ...others,
    description: description.replace(' First: ', `${alert.inPrometheus ?? ''} First: `),
    dashboard_url: dashboardUrl(alert, config),
  };
}

function alertingRule(alert: Alert, config: RulesConfig) {
  return {
    alert: alert.name,
    expr: expression(alert),
    ...(alert.for && { for: alert.for }),
    ...(alert.keepFiringFor && { keep_firing_for: alert.keepFiringFor }),
    labels: { severity: alert.severity },
    annotations: prometheusAnnotations(alert, config),
  };
}
