import { toSeconds, type Duration } from '../../dashboards/rules/config.js';
import { interpolated, type GrafanaDashboard, type GrafanaPanel } from '../helpers/grafana.js';

/** One series as Prometheus gives it: `value` to an instant query, `values` to one over a range. */
interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [time: number, value: string];
  readonly values?: readonly (readonly [time: number, value: string])[];
}

/** What one query of a panel was answered. */
interface Answer {
  readonly refId: string;
  readonly series: readonly Series[];
  /** Seconds between two points. */
  readonly step: number;
}

/** A panel with its answers, once for each value of the variable that it is repeated for. */
export interface AnsweredPanel {
  readonly panel: GrafanaPanel;
  readonly values: Readonly<Record<string, string>>;
  /** Seconds between two points. */
  readonly step: number;
  readonly answers: readonly Answer[];
}

/** A dashboard and all that is to be drawn on it. */
export interface AnsweredDashboard {
  readonly dashboard: GrafanaDashboard;
  readonly panels: readonly AnsweredPanel[];
  readonly marks: readonly Answer[];
  /** Unix times in seconds. */
  readonly from: number;
  readonly to: number;
}

/** Points that Grafana wants at most: the width of a wide panel. */
const MOST_POINTS = 1000;
const LEAST_STEP = 30;
/** The steps that Grafana rounds to, in seconds. */
const STEPS = [30, 60, 120, 300, 600, 900, 1800];

/**
 * Asks a Prometheus everything that a dashboard asks when it is opened.
 * @param url of Prometheus
 * @param chosen values of the variables; `.*` for all
 * @param all every value of the variables that a panel is repeated for
 */
export async function answersTo(
  url: string,
  dashboard: GrafanaDashboard,
  chosen: Readonly<Record<string, string>>,
  all: Readonly<Record<string, readonly string[]>>,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<AnsweredDashboard> {
  const ask = async (expression: string, refId: string, step: number, instant: boolean, values: object) => {
    const query = interpolated(expression, { ...values, ...timeValues(to - from, step) });
    const times = instant ? { time: `${to}` } : { start: `${from}`, end: `${to}`, step: `${step}` };
    const body = new URLSearchParams({ query, ...times });
    const response = await fetch(`${url}/api/v1/query${instant ? '' : '_range'}`, { method: 'POST', body });
    const answer = (await response.json()) as { status: string; error?: string; data: { result: readonly Series[] } };
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${query}`);
    return { refId, series: answer.data.result, step };
  };
  const panels = dashboard.panels.flatMap((panel) => {
    const values = panel.repeat === undefined ? [''] : all[panel.repeat]!;
    return values.map((value) => ({ panel, values: panel.repeat ? { ...chosen, [panel.repeat]: value } : chosen }));
  });
  return {
    dashboard,
    panels: await Promise.all(
      panels.map(async ({ panel, values }) => {
        const step = stepOf(to - from, panel.targets[0]?.interval);
        const answers = panel.targets.map(({ expr, refId, instant }) =>
          ask(expr, refId, step, instant === true, values),
        );
        return { panel, values, step, answers: await Promise.all(answers) };
      }),
    ),
    marks: await Promise.all(
      (dashboard.annotations.list ?? []).map(({ name, expr }) => ask(expr, name, LEAST_STEP, false, chosen)),
    ),
    from,
    to,
  };
}

function stepOf(range: number, interval = '0s'): number {
  const least = Math.max(LEAST_STEP, toSeconds(interval as Duration), range / MOST_POINTS);
  return STEPS.find((step) => step >= least) ?? STEPS.at(-1)!;
}

function timeValues(range: number, step: number): Record<string, string> {
  return {
    __range: `${range}s`,
    __range_s: `${range}`,
    __interval: `${step}s`,
    __interval_ms: `${1000 * step}`,
    __rate_interval: `${Math.max(step + LEAST_STEP, 4 * LEAST_STEP)}s`,
  };
}
