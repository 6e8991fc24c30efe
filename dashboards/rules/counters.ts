import { EVENT_METRIC } from '../../exporter/events/index.js';
import { LABEL, METRIC } from '../../exporter/names.js';

/** Labels that name whom an error hit; which of them exist is the exporter's option --workload-labels. */
export const VICTIM_LABELS = [LABEL.k8sNamespace, LABEL.k8sPod, LABEL.systemdUnit, LABEL.slurmJobId] as const;

/**
 * The own labels of each counter that rules and dashboards count, all of them. What else a series has belongs to its target, and
 * is how a counter is matched with the build information of its exporter.
 */
const OWN_LABELS: Readonly<Record<string, readonly string[]>> = {
  [METRIC.vmRebindErrors]: [LABEL.pciBdf, LABEL.errno],
  [METRIC.clientVmRebindErrors]: [LABEL.pciBdf, LABEL.errno, ...VICTIM_LABELS, LABEL.k8sContainer],
  [METRIC.clientFaults]: [LABEL.pciBdf, LABEL.fault, ...VICTIM_LABELS, LABEL.k8sContainer],
  [METRIC.vmRebindOomOutcomes]: [LABEL.pciBdf, LABEL.outcome],
  [EVENT_METRIC.deviceWedged]: [LABEL.pciBdf],
  [EVENT_METRIC.deviceCoredump]: [LABEL.pciBdf],
  [EVENT_METRIC.deviceProbeFailed]: [LABEL.pciBdf],
  [EVENT_METRIC.pciError]: [LABEL.pciBdf],
  [EVENT_METRIC.displayError]: [LABEL.pciBdf],
  [EVENT_METRIC.engineReset]: [LABEL.pciBdf],
  [EVENT_METRIC.gtReset]: [LABEL.pciBdf],
  [EVENT_METRIC.gtResetAttempt]: [LABEL.pciBdf],
  [EVENT_METRIC.gtResetCompleted]: [LABEL.pciBdf],
  [EVENT_METRIC.ttmOutOfMemory]: [],
  [EVENT_METRIC.jobTimeout]: [LABEL.pciBdf],
  [EVENT_METRIC.pageFault]: [LABEL.pciBdf],
  [EVENT_METRIC.memoryCatError]: [LABEL.pciBdf],
  [EVENT_METRIC.gucLoadFailure]: [LABEL.pciBdf],
  [EVENT_METRIC.kernelLogError]: [LABEL.pciBdf],
  [EVENT_METRIC.hardwareError]: [LABEL.pciBdf, LABEL.severity],
  [METRIC.deviceEvictedBytes]: [LABEL.pciBdf],
  [METRIC.deviceRestoredBytes]: [LABEL.pciBdf],
  [METRIC.eventsReceived]: [LABEL.source, LABEL.event],
  [METRIC.eventsLost]: [LABEL.source],
  [METRIC.eventsDropped]: [LABEL.stage, LABEL.sink, LABEL.reason],
  [METRIC.eventsUnmerged]: [LABEL.source],
  [METRIC.eventsUnattributed]: [LABEL.reason],
  [METRIC.clientAttachFailures]: [LABEL.reason],
  [METRIC.sourceRestarts]: [LABEL.source],
  [METRIC.seriesOverflow]: [LABEL.metric],
  [METRIC.otlpRecords]: [LABEL.signal, LABEL.result],
  [METRIC.kubernetesEventRequests]: [LABEL.result],
  [METRIC.nodeConditionWrites]: [LABEL.result],
  [METRIC.coredumpCopies]: [LABEL.result],
  [METRIC.streamSubscribersDropped]: [LABEL.reason],
  [METRIC.streamEventsMissed]: [],
  [METRIC.jobRequests]: [LABEL.result],
};

/** @throws Error for a metric that is not in the table */
export function ownLabels(metric: string): readonly string[] {
  const labels = OWN_LABELS[metric];
  if (labels === undefined) throw new Error(`${metric} is not in the table of counters: add its labels there`);
  return labels;
}
