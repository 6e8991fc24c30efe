import { LABEL, METRIC } from '../../exporter/names.js';
import { DEFAULT_RULES_CONFIG } from '../rules/config.js';
import { anyOf, place, selector, sumBy } from '../rules/promql.js';
import { OOM_ERRNOS, VICTIM_LABELS } from '../rules/rebind.js';

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

/** How often the counters went up in the dashboard's time range, as a whole number. */
export function countInRange(counter: string, labels: readonly string[]): string {
  return `round(${perNode(labels, `increase(${counter}[$__range])`)})`;
}

/**
 * How often the counters went up between each point of a graph and the one before, exactly: windows of increase() lap over each
 * other and extrapolate, so that one error would stand there four times. Nothing where nothing happened.
 */
export function newsOverTime(counter: string, labels: readonly string[]): string {
  const before = `${counter} offset $__interval`;
  // A counter that fell began anew at 0.
  return `${perNode(labels, `${counter} - ${before} >= 0 or ${counter} and ${before}`)} > 0`;
}

/**
 * One 0 without labels where there is no series at all; nothing is added to series that are there. For counts alone: of a
 * feature that is off, 0 bytes or a GPU that is well would be untrue.
 */
export function orZero(expression: string): string {
  return `${expression} or on() vector(0)`;
}

/** Unix time in milliseconds at which a counter last went up in the range, to one `$__interval`. */
export function lastSeen(counter: string, labels: readonly string[]): string {
  const news = `timestamp(${counter} > ${counter} offset $__interval)`;
  // The steps of a subquery are aligned: the newest news lie behind the last one.
  return `1000 * max by (${[...PLACE, ...labels].join(', ')}) (${news} or max_over_time(${news}[$__range:$__interval]))`;
}

/** Used share of VRAM of each chosen GPU, 0 to 1. */
export const VRAM_USED_RATIO = `max by (${GPU.join(', ')}) (${ofGpus(METRIC.deviceMemoryUsed, VRAM)} / ${ofGpus(METRIC.deviceMemorySize, VRAM)})`;

/** The same of the ten GPUs that were fullest at some time in the range; they stay the same along the graph. */
export const FULLEST = `${VRAM_USED_RATIO} and topk(10, max_over_time((${VRAM_USED_RATIO})[$__range:$__interval] @ end()))`;

/** Watched share of the clients, 0 to 1; nothing where clients are not counted, 1 where there are none. */
export const WATCH_COVERAGE = (() => {
  const clients = `sum(${ofGpus(METRIC.clients)})`;
  return `sum(${ofGpus(METRIC.clientsWatched)}) / (${clients} > 0) or (${clients} == 0) + 1`;
})();

/** How many of the chosen GPUs were wedged at some time in the range. */
export const WEDGED_IN_RANGE = orZero(
  `sum(max by (${GPU.join(', ')}) (max_over_time(${ofGpus(METRIC.deviceWedged)}[$__range])))`,
);

export const OOM_IN_RANGE = orZero(`round(sum(increase(${ofGpus(METRIC.vmRebindErrors, OOM)}[$__range])))`);
