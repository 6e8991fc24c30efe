import { LABEL, METRIC, OTHER_SERIES, UNATTRIBUTED_SERIES } from '../../exporter/names.js';
import { DEFAULT_RULES_CONFIG } from '../rules/config.js';
import { ownLabels, VICTIM_LABELS } from '../rules/counters.js';
import { anyOf, firstValues, maxBy, ofTargets, place, selector, sumBy } from '../rules/promql.js';
import { OOM_ERRNOS } from '../rules/rebind.js';

const config = DEFAULT_RULES_CONFIG;

/** Labels of a target that are variables of the dashboards by the same name: cluster and node. */
export const PLACE = place(config);
/** Variable that {@link LABEL.k8sNamespace} is matched by. */
export const NAMESPACE_VARIABLE = 'namespace';
/** What one GPU is called across a fleet. */
export const GPU = [...PLACE, LABEL.pciBdf];
/** What names a workload: namespace and pod, or unit or Slurm job. */
export const WORKLOAD: readonly string[] = VICTIM_LABELS;

/** A matcher of a variable whose "All" is `.*`: it matches series without the label, too. */
const chosen = (label: string, variable = label) => `${label}=~"$${variable}"`;

/** Series of the chosen nodes. */
export function ofNodes(metric: string, ...matchers: readonly string[]): string {
  return selector(metric, ...PLACE.map((label) => chosen(label)), ...matchers);
}

/** Series that every process has, of the exporters on the chosen nodes. */
export function ofExporters(metric: string): string {
  return ofNodes(metric, config.exporterSelector);
}

/** Series of the chosen GPUs. */
export function ofGpus(metric: string, ...matchers: readonly string[]): string {
  return ofNodes(metric, chosen(LABEL.pciBdf), ...matchers);
}

/** Series of the clients in the chosen namespaces, and of clients that are in none. */
export function ofClients(metric: string, ...matchers: readonly string[]): string {
  return ofGpus(metric, chosen(LABEL.k8sNamespace, NAMESPACE_VARIABLE), ...matchers);
}

export const OOM = anyOf(LABEL.errno, OOM_ERRNOS);
export const VRAM = `${LABEL.region}=~"vram.*"`;

/** Sum of each node and label. */
export function perNode(labels: readonly string[], expression: string): string {
  return sumBy(config, labels, expression);
}

/** Largest of each node and label. */
export function largest(labels: readonly string[], expression: string): string {
  return maxBy(config, labels, expression);
}

/** How far back the last good scrape may lie. Stale marks of failed scrapes do not count within it. */
const LOOKBACK = '10m';
const lately = (series: string, offset = '') =>
  `last_over_time(${series}[${LOOKBACK}]${offset && ` offset ${offset}`})`;

/** Exporters that existed one window ago, or that started within it. */
function existed(window: string, seconds: string): string {
  const started = ofExporters('process_start_time_seconds');
  return `(${lately(ofNodes(METRIC.buildInfo), window)} or ${started} > time() - ${seconds})`;
}

/**
 * THE way to count events in the time range of a dashboard, for tiles and tables. No event is lost when a scrape fails, when the event
 * created its series, or when the series is gone by now.
 * @param counter a selector of a counter that `rules/counters.ts` knows
 * @param labels of the result, beside the place
 */
export function countInRange(counter: string, labels: readonly string[]): string {
  return `round(${perNode(labels, largest(ownLabels(metricOf(counter)), eventsInRange([counter])))})`;
}

/** The same, as one number. */
export function totalInRange(counter: string): string {
  return orZero(`round(sum(${largest(ownLabels(metricOf(counter)), eventsInRange([counter]))}))`);
}

/** Labels that say which of several counters counted, and what its own labels are, in words. */
export const [WHAT, WHY] = ['what', 'why'] as const;

/** The same for several counters at once, by {@link WHAT} each is called and {@link WHY}: its own labels. */
export function countsInRange(counters: readonly (readonly [counter: string, what: string])[]): string {
  const words = new Map(counters);
  const tagged = (expression: string, counter: string) => {
    const why = [expression, `"${WHY}"`, '" "', ...ownLabels(metricOf(counter)).map((label) => `"${label}"`)].join(
      ', ',
    );
    return `label_replace(label_join(${why}), "${WHAT}", "${words.get(counter)}", "", "")`;
  };
  return `round(${largest([WHAT, WHY], eventsInRange([...words.keys()], tagged))})`;
}

/**
 * What each series counted in the range, once or twice: the larger one is right. A series that is new as a whole shows what it counted
 * since its exporter started; the increase of one that is not new, or that fell in between, has everything but a first value.
 */
function eventsInRange(
  counters: readonly string[],
  tagged: (expression: string, counter: string) => string = (expression) => expression,
): string {
  const all = (expression: (counter: string) => string) =>
    counters.map((counter) => tagged(expression(counter), counter)).join(' or ');
  const first = all((counter) => {
    // What belongs to no GPU stays as long as its exporter does: the end of the range is enough.
    const ofGpu = ownLabels(metricOf(counter)).includes(LABEL.pciBdf);
    const now = ofGpu ? `last_over_time(${counter}[$__range])` : lately(counter);
    return `(${now} > 0 unless ${lately(counter, '$__range')} > 0)`;
  });
  const target = ofTargets(counters.map(metricOf), ...(counters.length > 1 ? [WHAT, WHY] : []));
  const news = `(${first}) and ${target} ${existed('$__range', '$__range_s')}`;
  return `label_replace(${news}, "first", "yes", "", "") or ${all((counter) => `(increase(${counter}[$__range]) > 0)`)}`;
}

/**
 * THE way to draw events over time: how often the counters went up between each point of a graph and the one before, exactly, so that
 * the bars add up. (Windows of increase() overlap and extrapolate: one error would stand there twice.) Nothing where nothing happened.
 * What a failed scrape missed stands at the next good one.
 */
export function newsOverTime(counter: string, labels: readonly string[]): string {
  const metric = metricOf(counter);
  // Nearly every counter of a fleet stands at 0: what is filtered costs nothing to match.
  const now = `${lately(counter)} > 0`;
  const before = `${lately(counter, '$__interval')} > 0`;
  // A counter that fell started again at 0: what it shows is news, as a first value is.
  const first = firstValues({
    metric,
    now,
    before: `((${before}) <= (${now}))`,
    existed: existed('$__interval', '$__interval_ms / 1000'),
  });
  return perNode(labels, largest(ownLabels(metric), `(${now}) - (${before}) > 0 or ${first}`));
}

/**
 * THE way to say when something happened last: Unix time in milliseconds, from timestamps that the exporter took.
 * @param timestamps a selector of a gauge with Unix times in seconds, 0 for never
 */
export function lastTime(timestamps: string, labels: readonly string[]): string {
  return `1000 * ${largest(labels, `max_over_time(${timestamps}[$__range])`)} > 1000 * (time() - $__range_s)`;
}

function metricOf(series: string): string {
  return /^\w+/.exec(series)![0];
}

/**
 * One 0 without labels where there is no series at all; nothing is added to series that are there. For counts alone: for a feature
 * that is off, 0 bytes would be untrue.
 */
export function orZero(expression: string): string {
  return `${expression} or on() vector(0)`;
}

/** Label of {@link named}. */
export const JOB = 'workload';

/**
 * Gives each series the label {@link JOB}: `namespace/pod`, the unit or the Slurm job, and words where there is none of them.
 */
export function named(expression: string): string {
  const replace = (inner: string, text: string, regex: string) =>
    `label_replace(${inner}, "${JOB}", "${text}", "${JOB}", "${regex}")`;
  const joined = `label_join(${expression}, "${JOB}", "/", ${WORKLOAD.map((label) => `"${label}"`).join(', ')})`;
  const words: readonly [text: string, regex: string][] = [
    ['$1', '/*(.*[^/])/*'],
    ['host process', '/*'],
    ['unknown: the kernel named no process', `.*${UNATTRIBUTED_SERIES}.*`],
    ['jobs over the series limit', `.*${OTHER_SERIES}.*`],
  ];
  return words.reduce((inner, [text, regex]) => replace(inner, text, regex), joined);
}

/** Adds model and card of the GPU to each series that names one. */
export function withModel(expression: string): string {
  const identity = `max by (${[...GPU, LABEL.model, LABEL.card].join(', ')}) (${ofGpus(METRIC.deviceInfo)})`;
  return `${expression} * on (${GPU.join(', ')}) group_left (${LABEL.model}, ${LABEL.card}) ${identity}`;
}

/** Used share of VRAM of each chosen GPU, 0 to 1. */
export const VRAM_USED_RATIO = largest(
  [LABEL.pciBdf],
  `${ofGpus(METRIC.deviceMemoryUsed, VRAM)} / ${ofGpus(METRIC.deviceMemorySize, VRAM)}`,
);

/** The largest used share of VRAM of each chosen GPU in the range, the same along a graph. */
export const FULLEST_VRAM = largest(
  [LABEL.pciBdf],
  `max_over_time(${ofGpus(METRIC.deviceMemoryUsed, VRAM)}[$__range] @ end()) / last_over_time(${ofGpus(METRIC.deviceMemorySize, VRAM)}[$__range] @ end())`,
);

/** The series that were largest at some time in the range; they stay the same along the graph. */
export function largestInRange(count: number, expression: string): string {
  return `${expression} and topk(${count}, max_over_time((${expression})[$__range:$__interval] @ end()))`;
}

/** Watched share of the clients, 0 to 1; nothing where clients are not counted, 1 where there are none. */
export const WATCH_COVERAGE = (() => {
  const clients = `sum(${ofGpus(METRIC.clients)})`;
  return `sum(${ofGpus(METRIC.clientsWatched)}) / (${clients} > 0) or (${clients} == 0) + 1`;
})();

export const WEDGED = ofGpus(METRIC.deviceWedged);
/** GPUs that cannot be trusted with work now. */
export const UNFIT = `${ofGpus(METRIC.deviceHealth, anyOf(LABEL.state, ['wedged', 'unrecovered', 'lost', 'survivability']))} > 0`;
/** Since when each GPU is in a state other than ok, by that state: Unix time in milliseconds. Without the model, because a lost GPU has none. */
export const NOT_OK_SINCE =
  `1000 * ${largest([LABEL.pciBdf, LABEL.state], `${ofGpus(METRIC.deviceHealth, `${LABEL.state}!="ok"`)} > 0`)}` +
  ` * on (${GPU.join(', ')}) group_left () ${largest([LABEL.pciBdf], ofGpus(METRIC.deviceHealthChanged))}`;
export const OOM_IN_RANGE = totalInRange(ofGpus(METRIC.vmRebindErrors, OOM));

/**
 * Alerts of these rules that fire on the chosen nodes, and those of no node: of Prometheus, and of a Grafana that writes the state of its
 * own alerts to Prometheus. Who has the rules in both sees each alert once.
 */
export function firing(...matchers: readonly string[]): string {
  const [prometheus, grafana] = ['ALERTS', 'GRAFANA_ALERTS'].map((metric) =>
    ofNodes(metric, 'alertname=~"Xe.*"', 'alertstate="firing"', ...matchers),
  );
  return `${prometheus} or on (${['alertname', ...GPU, ...WORKLOAD].join(', ')}) ${grafana}`;
}
