import { LABEL, OTHER_SERIES } from '../../exporter/names.js';
import type { RulesConfig } from './config.js';

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
  '{{ else }}A process outside of any pod{{ end }}',
].join('');

/** The value of the alert, for counts. */
export const COUNT = '{{ $value | humanize }}';
/** The value of the alert, for shares of 0 to 1. */
export const SHARE = '{{ $value | humanizePercentage }}';
