import { LABEL, METRIC, OTHER_SERIES, UNATTRIBUTED_SERIES } from '../../exporter/names.js';
import { toSeconds, type Duration, type RulesConfig } from './config.js';
import { VICTIM_LABELS } from './counters.js';
import { place } from './promql.js';

/** Fragments of alert texts, as Go templates that Prometheus and Grafana both expand. */

/** ` on node a (cluster b)`, as far as it is known. */
export function onNode({ nodeLabel, clusterLabel }: RulesConfig): string {
  return `{{ with $labels.${nodeLabel} }} on node {{ . }}{{ end }}{{ with $labels.${clusterLabel} }} (cluster {{ . }}){{ end }}`;
}

/** `GPU 0000:03:00.0 on node a` */
export function gpu(config: RulesConfig): string {
  return `GPU {{ $labels.${LABEL.pciBdf} }}${onNode(config)}`;
}

/** Who was hit: a pod, a systemd unit or a Slurm job, whatever the exporter labels by. */
export const VICTIM = [
  `{{ if eq "${OTHER_SERIES}" $labels.${LABEL.k8sPod} $labels.${LABEL.systemdUnit} $labels.${LABEL.slurmJobId} }}A job beyond the exporter's series limit`,
  `{{ else if $labels.${LABEL.k8sPod} }}Pod {{ $labels.${LABEL.k8sNamespace} }}/{{ $labels.${LABEL.k8sPod} }}`,
  `{{ else if $labels.${LABEL.systemdUnit} }}Unit {{ $labels.${LABEL.systemdUnit} }}`,
  `{{ else if $labels.${LABEL.slurmJobId} }}Slurm job {{ $labels.${LABEL.slurmJobId} }}`,
  '{{ else }}A process outside any pod{{ end }}',
].join('');

/** The value of the alert, for counts. */
export const COUNT = '{{ $value | humanize }}';
/** The value of the alert, for shares of 0 to 1. */
export const SHARE = '{{ $value | humanizePercentage }}';
/** The value of the alert, for bytes a second. */
export const BYTES_PER_SECOND = '{{ $value | humanize1024 }}B/s';
/** `once` or `about 3 times` */
export const TIMES = '{{ if eq $value 1.0 }}once{{ else }}about {{ $value | humanize }} times{{ end }}';

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

/** `5 minutes`, `1 hour` */
export function spoken(duration: Duration): string {
  const seconds = toSeconds(duration);
  const [unit, size] = UNITS.find(([, size]) => seconds >= size && seconds % size === 0) ?? ['second', 1];
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** `in the last 5 minutes`, `in the last hour` */
export function inTheLast(window: Duration): string {
  return `in the last ${spoken(window).replace(/^1 /, '')}`;
}

/** Series of victims with a name. */
export const NAMED = [LABEL.k8sPod, LABEL.systemdUnit, LABEL.slurmJobId].map(
  (label) => `${label}!="${UNATTRIBUTED_SERIES}"`,
);

/**
 * ` Jobs hit: 3.`, from the times at which each job last had such an error on the GPU. For Prometheus, which can query from a template
 * and Grafana cannot; nothing where no job is known by name.
 */
export function jobsHit(config: RulesConfig, matcher: string, window: Duration): string {
  const device = [...place(config), LABEL.pciBdf];
  const series = `${METRIC.clientVmRebindErrorLastTimestamp}{${[matcher, ...device.map((label) => `${label}=%q`), ...NAMED].join(',')}}`;
  const jobs = `count(count by (${VICTIM_LABELS.join(', ')}) (time() - ${series} < ${toSeconds(window)}))`;
  const values = device.map((label) => `$labels.${label}`).join(' ');
  return `{{ with printf \`${jobs}\` ${values} | query }} Jobs hit: {{ . | first | value }}.{{ end }}`;
}
