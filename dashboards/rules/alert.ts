import type { Duration, RulesConfig } from './config.js';

/** critical: somebody gets up; warning: somebody looks today; info: for whoever is looking already. */
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
  /** One line: what is wrong, and where. */
  readonly summary: string;
  /** What it means, and what to do first. */
  readonly description: string;
}

export interface RecordingRule {
  readonly record: string;
  readonly query: string;
}

/** Rules that are evaluated one after the other. */
export interface RuleGroup {
  readonly name: string;
  readonly recordings?: readonly RecordingRule[];
  readonly alerts?: readonly Alert[];
}

/** The condition of an alert in PromQL. */
export function expression({ query, when }: Alert): string {
  const comparison = 'above' in when ? `> ${when.above}` : `< ${when.below}`;
  return query.includes('\n') ? `${query}\n${comparison}` : `${query} ${comparison}`;
}

/** Everything that goes with an alert, runbook included. */
export function annotations({ name, summary, description }: Alert, { runbookBase }: RulesConfig) {
  return { summary, description, runbook_url: `${runbookBase}/${name}.md` };
}
