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

export interface EventCount {
  readonly metric: string;
  readonly matchers?: readonly string[];
  /** The metric's own labels, all of them: what else a series has is its target's. */
  readonly series: readonly string[];
  /** Labels of the result, beside the place. */
  readonly by: readonly string[];
  readonly window: Duration;
}

/**
 * How many events a counter has counted within the window, to the nearest whole number.
 *
 * `increase()` does not see the first value of a series, but a series can be born by an event, and an exporter can start right
 * before one. A first value is taken for news in two cases only: the exporter was scraped one window ago and did not have the
 * series, or the exporter itself is younger than the window. Everything else, a scrape that failed, a new Prometheus, a new
 * target label, shows values that are old.
 */
export function eventsWithin(config: RulesConfig, { metric, matchers = [], series, by, window }: EventCount): string {
  const counter = selector(metric, ...matchers);
  const ofTarget = (...labels: readonly string[]) => `ignoring (${[...series, ...labels].join(', ')})`;
  const started = selector('process_start_time_seconds', config.exporterSelector);
  const counts = [
    enclosed(
      `${counter} > 0\nunless ${counter} offset ${window}\nand ${ofTarget(...BUILD_LABELS)} ${METRIC.buildInfo} offset ${window}`,
    ),
    enclosed(`${counter} > 0\nand ${ofTarget()} time() - ${started} < ${toSeconds(window)}`),
    `increase(${counter}[${window}])`,
  ].join('\nor\n');
  return `round${enclosed(sumBy(config, by, maxBy(config, series, counts)))}`;
}
