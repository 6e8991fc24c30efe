import { annotations, expression, type Alert, type RuleGroup } from '../rules/alert.js';
import type { RulesConfig } from '../rules/config.js';
import { ruleGroups } from '../rules/index.js';
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

function prometheusGroup({ name, recordings = [], alerts = [] }: RuleGroup, config: RulesConfig) {
  const recordingRules = recordings.map(({ record, query }) => ({ record, expr: query }));
  return { name, rules: [...recordingRules, ...alerts.map((alert) => alertingRule(alert, config))] };
}

function alertingRule(alert: Alert, config: RulesConfig) {
  return {
    alert: alert.name,
    expr: expression(alert),
    ...(alert.for && { for: alert.for }),
    ...(alert.keepFiringFor && { keep_firing_for: alert.keepFiringFor }),
    labels: { severity: alert.severity },
    annotations: annotations(alert, config),
  };
}
