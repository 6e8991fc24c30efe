import { LABEL, METRIC } from '../../exporter/names.js';
import { toSeconds, type Duration, type RulesConfig } from './config.js';

/** Where a series comes from, as Prometheus labels it: cluster and node. */
export function place({ clusterLabel, nodeLabel }: RulesConfig): readonly string[] {
  return [clusterLabel, nodeLabel];
}

/** `name{a="b"}` */
export function selector(metric: string, ...matchers: readonly string[]): string {
  return matchers.length === 0 ? metric : `${metric}{${matchers.join(',')}}`;
}

/** Matches a label to any of the values. */
export function anyOf(label: string, values: readonly string[]): string {
  return values.length === 1 ? `${label}="${values[0]}"` : `${label}=~"${values.join('|')}"`;
}

/** The largest of each place and label: a series that is scraped twice, by replicas or by mistake, counts once. */
export function maxBy(config: RulesConfig, labels: readonly string[], expression: string): string {
  return `max by (${[...place(config), ...labels].join(', ')}) ${enclosed(expression)}`;
}

export function sumBy(config: RulesConfig, labels: readonly string[], expression: string): string {
  return `sum by (${[...place(config), ...labels].join(', ')}) ${enclosed(expression)}`;
}

/** In parentheses, indented when it has several lines. */
export function enclosed(expression: string): string {
  return expression.includes('\n') ? `(\n${expression.replace(/^/gm, '  ')}\n)` : `(${expression})`;
}

/** The own labels of xe_exporter_build_info, which is there whenever a scrape went well. */
const BUILD_LABELS = [LABEL.version, LABEL.revision, LABEL.nodeVersion];

export interface Counter {
  readonly metric: string;
  readonly matchers?: readonly string[];
  /** The metric's own labels, all of them: what else a series has is its target's. */
  readonly series: readonly string[];
}

export interface EventCount {
  /** Counters whose events are added up; their `series` differ. */
  readonly counters: readonly Counter[];
  /** Labels of the result, beside the place. */
  readonly by: readonly string[];
  readonly window: Duration;
}

/**
 * How many events the counters have counted within the window, to the nearest whole number; no result where there were none, so
 * that nothing is aggregated over a fleet in which nothing happens.
 *
 * `increase()` does not see the first value of a series, but a series can be born by an event, and an exporter can start right
 * before one. A first value is news in two cases only: the exporter was scraped one window ago and did not have the series, or
 * the exporter itself is younger than the window. Everything else, a scrape that failed, a new Prometheus, a new target label,
 * shows values that are old.
 */
export function eventsWithin(config: RulesConfig, { counters, by, window }: EventCount): string {
  const started = selector('process_start_time_seconds', config.exporterSelector);
  const young = `time() - ${started} < ${toSeconds(window)}`;
  const counts = counters.map(({ metric, matchers = [], series }) => {
    const counter = selector(metric, ...matchers);
    const grown = `(increase(${counter}[${window}]) > 0)`;
    return maxBy(config, series, `${firstValues({ counter, series, window, young })}\nor\n${grown}`);
  });
  return `round${enclosed(sumBy(config, by, counts.join('\nor\n')))}`;
}

interface FirstValues {
  readonly counter: string;
  readonly series: readonly string[];
  /** As PromQL writes it: a duration, or a variable of Grafana. */
  readonly window: string;
  /** Exporters that started within the window. */
  readonly young: string;
  readonly buildInfo?: string;
}

/** Series that are news as a whole. The result of a counter that is older than its young exporter is the count since the start. */
function firstValues({ counter, series, window, young, buildInfo = METRIC.buildInfo }: FirstValues): string {
  const ofTarget = (...labels: readonly string[]) => `ignoring (${[...series, ...labels].join(', ')})`;
  return enclosed(
    [
      `${counter} > 0`,
      `and ${ofTarget(...BUILD_LABELS)} (${buildInfo} offset ${window} or ${young})`,
      `unless (${counter} offset ${window} unless ${ofTarget()} (${young}))`,
    ].join('\n'),
  );
}
