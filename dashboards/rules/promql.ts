import { LABEL, METRIC } from '../../exporter/names.js';
import { toSeconds, type Duration, type RulesConfig } from './config.js';
import { ownLabels } from './counters.js';

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

export interface Counter {
  readonly metric: string;
  readonly matchers?: readonly string[];
}

export interface EventCount {
  /** Counters whose events are added up; no two have the same labels. */
  readonly counters: readonly Counter[];
  /** Labels of the result, beside the place. */
  readonly by: readonly string[];
  readonly window: Duration;
  /**
   * For counters that are there at 0 from the start of the exporter, where what happened before its first scrape does not matter: the
   * increase alone, at a third of the cost.
   */
  readonly increaseOnly?: boolean;
}

/**
 * How many events the counters counted within the window, to the nearest whole number. There is no result where there were none,
 * so that nothing is aggregated over a fleet in which nothing happens.
 *
 * `increase()` does not see the first value of a series, but an event can create a series, and an exporter can start right before
 * one: see {@link firstValues}. A counter that stood at 0 when the window began counts in the same way, because what is filtered
 * costs nothing to match. After a restart the count since then is the result, because a counter that reaches its old value before
 * the next scrape shows no increase.
 */
export function eventsWithin(config: RulesConfig, { counters, by, window, increaseOnly }: EventCount): string {
  const young = `${selector('process_start_time_seconds', config.exporterSelector)} > time() - ${toSeconds(window)}`;
  const counts = counters.map(({ metric, matchers = [] }) => {
    const counter = selector(metric, ...matchers);
    const grown = `increase(${counter}[${window}]) > 0`;
    if (increaseOnly) return maxBy(config, ownLabels(metric), grown);
    const before = `(${counter} offset ${window} > 0 unless ${ofTarget(metric)} (${young}))`;
    const existed = `(${METRIC.buildInfo} offset ${window} or ${young})`;
    const first = firstValues({ metric, now: `${counter} > 0`, before, existed });
    return maxBy(config, ownLabels(metric), `${first}\nor\n${grown}`);
  });
  return `round${enclosed(sumBy(config, by, counts.join('\nor\n')))}`;
}

/** The own labels of xe_exporter_build_info, which is there whenever a scrape went well. */
const BUILD_LABELS = [LABEL.version, LABEL.revision, LABEL.nodeVersion];

/** `ignoring (...)` that leaves the labels of the target alone. */
export function ofTarget(metric: string): string {
  return `ignoring (${ownLabels(metric).join(', ')})`;
}

/** The same for several metrics at once, to match them with the build information of their exporter. */
export function ofTargets(metrics: readonly string[], ...others: readonly string[]): string {
  return `ignoring (${[...new Set([...metrics.flatMap(ownLabels), ...others, ...BUILD_LABELS])].join(', ')})`;
}

/**
 * First values of series that are news as a whole. A first value is news in two cases only: the exporter was scraped when the window
 * began and did not have the series, or the exporter is younger than the window. In all other cases, such as a failed scrape, a new
 * Prometheus or a new target label, the value is old.
 */
export function firstValues(of: { metric: string; now: string; before: string; existed: string }): string {
  return enclosed(`${of.now}\nand ${ofTargets([of.metric])} ${of.existed}\nunless ${of.before}`);
}
