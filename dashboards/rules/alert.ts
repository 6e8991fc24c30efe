import type { Duration, RulesConfig } from './config.js';

/** The dashboards by their uid. */
export type DashboardUid = 'xe-fleet' | 'xe-node' | 'xe-exporter-health';

/** critical: wakes somebody up; warning: somebody looks today; info: context for those who are looking. */
export const SEVERITIES = ['critical', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One alert, before it is written in the form of Prometheus or Grafana. */
export interface Alert {
  readonly name: `Xe${string}`;
  readonly severity: Severity;
  /** PromQL without the comparison, which Prometheus and Grafana write each in their way. */
  readonly query: string;
  /** When the value is bad. */
  readonly when: { readonly above: number } | { readonly below: number };
  readonly for?: Duration;
  readonly keepFiringFor?: Duration;
  /** Where to look: a panel by its title. */
  readonly panel: { readonly dashboard: DashboardUid; readonly title: string };
  /** One line: what is wrong, and where. */
  readonly summary: string;
  /** What it means, and what to do first. */
  readonly description: string;
  /** A sentence of the description that needs a query, which only Prometheus can put into a template. It stands before "First:". */
  readonly inPrometheus?: string;
}

/** Rules that are evaluated one after the other. */
export interface RuleGroup {
  readonly name: string;
  readonly alerts: readonly Alert[];
}

/** The condition of an alert in PromQL. */
export function expression({ query, when }: Alert): string {
  const comparison = 'above' in when ? `> ${when.above}` : `< ${when.below}`;
  return query.includes('\n') ? `${query}\n${comparison}` : `${query} ${comparison}`;
}

/** What goes with an alert wherever it is written. */
export function annotations({ name, summary, description }: Alert, { runbookBase }: RulesConfig) {
  return { summary, description, runbook_url: `${runbookBase}/${name}.md` };
}
