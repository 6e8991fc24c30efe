import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { interpolated, type GrafanaDashboard } from '../../helpers/grafana.js';

/** One query that Prometheus is asked, by a rule or by a panel. */
export interface Question {
  /** Group of rules, or dashboard. */
  readonly of: string;
  readonly name: string;
  readonly expression: string;
  /** At the end of the time only, or at each step of the range. */
  readonly instant: boolean;
}

const RULES = 'dashboards/out/prometheus/xe-exporter.rules.yaml';
const DASHBOARDS = ['xe-fleet', 'xe-node', 'xe-exporter-health'];

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
    all.map(({ alert, record, expr }) => ({ of, name: alert ?? record ?? '', expression: expr, instant: true })),
  );
}

/** Every query of every panel and annotation. @param variables values of the dashboards' variables */
export function panels(variables: Readonly<Record<string, Record<string, string>>>, commit?: string): Question[] {
  return DASHBOARDS.flatMap((of) => {
    const dashboard = JSON.parse(generated(`dashboards/out/grafana/dashboards/${of}.json`, commit)) as GrafanaDashboard;
    const filled = (expression: string) => interpolated(expression, variables[of]!);
    return [
      ...(dashboard.annotations.list ?? []).map(({ name, expr }) => ({
        of,
        name: `annotation "${name}"`,
        expression: filled(expr),
        instant: false,
      })),
      ...dashboard.panels.flatMap(({ title, targets }) =>
        targets.map(({ refId, expr, instant = false }) => ({
          of,
          name: targets.length > 1 ? `${title} ${refId}` : title,
          expression: filled(expr),
          instant,
        })),
      ),
    ];
  });
}
