import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { toSeconds, type Duration } from '../../../dashboards/rules/config.js';
import { interpolated, type GrafanaDashboard } from '../../helpers/grafana.js';

/** One query that Prometheus is asked, by a rule or by a panel. */
export interface Question {
  /** Group of rules, or dashboard. */
  readonly of: string;
  readonly name: string;
  readonly expression: string;
  /** At the end of the time only, or at each step of the range. */
  readonly instant: boolean;
  /** Between two points of a range, in seconds. */
  readonly step: number;
}

const RULES = 'dashboards/out/prometheus/xe-exporter.rules.yaml';
const DASHBOARDS = ['xe-fleet', 'xe-node', 'xe-exporter-health'];

/** Step of six hours on a panel of some 900 points, in seconds; a panel can ask for a longer one. */
const LEAST_STEP = 30;
const stepOf = (interval?: string) => (interval === undefined ? LEAST_STEP : toSeconds(interval as Duration));

/** What Grafana fills in for a step. */
function stepValues(step: number) {
  return { __interval: `${step}s`, __interval_ms: `${1000 * step}`, __rate_interval: `${Math.max(step + 30, 120)}s` };
}

/** Text of a generated file: as it lies there, or as a commit has it. */
function generated(path: string, commit?: string): string {
  return commit === undefined
    ? readFileSync(path, 'utf8')
    : execFileSync('git', ['show', `${commit}:${path}`], { encoding: 'utf8', maxBuffer: 64 << 20 });
}

/** Every rule, by its group. */
export function rules(commit?: string): Question[] {
  const { groups } = parse(generated(RULES, commit)) as {
    groups: { name: string; rules: { alert?: string; record?: string; expr: string }[] }[];
  };
  return groups.flatMap(({ name: of, rules: all }) =>
    all.map(({ alert, record, expr }) => ({
      of,
      name: alert ?? record ?? '',
      expression: expr,
      instant: true,
      step: 0,
    })),
  );
}

/** Every query of every panel and annotation. @param variables values of the dashboards' variables */
export function panels(variables: Readonly<Record<string, Record<string, string>>>, commit?: string): Question[] {
  return DASHBOARDS.flatMap((of) => {
    const dashboard = JSON.parse(generated(`dashboards/out/grafana/dashboards/${of}.json`, commit)) as GrafanaDashboard;
    const filled = (expression: string, step: number) =>
      interpolated(expression, { ...variables[of], ...stepValues(step) });
    return [
      ...(dashboard.annotations.list ?? []).map(({ name, expr }) => ({
        of,
        name: `annotation "${name}"`,
        expression: filled(expr, LEAST_STEP),
        instant: false,
        step: LEAST_STEP,
      })),
      ...dashboard.panels.flatMap(({ title, targets, interval }) =>
        targets.map(({ refId, expr, instant = false }) => ({
          of,
          name: targets.length > 1 ? `${title} ${refId}` : title,
          expression: filled(expr, stepOf(interval)),
          instant,
          step: stepOf(interval),
        })),
      ),
    ];
  });
}
