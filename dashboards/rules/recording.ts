import { LABEL, METRIC } from '../../exporter/names.js';
import type { RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { anyOf, enclosed, eventsWithin } from './promql.js';
import { CLIENT_LABELS, OOM_ERRNOS } from './rebind.js';

/** Longer looks back, for dashboards and reports. The cluster's one is summed over its nodes. */
export function recordingGroup(config: RulesConfig): RuleGroup {
  const matchers = [anyOf(LABEL.errno, OOM_ERRNOS)];
  const nodePod = eventsWithin(config, {
    metric: METRIC.clientVmRebindErrors,
    matchers,
    series: CLIENT_LABELS,
    by: [LABEL.k8sNamespace, LABEL.k8sPod],
    window: '1h',
  });
  const node = eventsWithin(config, {
    metric: METRIC.vmRebindErrors,
    matchers,
    series: [LABEL.pciBdf, LABEL.errno],
    by: [],
    window: '24h',
  });
  return {
    name: 'xe-exporter.recording',
    recordings: [
      { record: 'node_pod:xe_vm_rebind_oom:increase1h', query: nodePod },
      { record: 'cluster:xe_vm_rebind_oom:increase24h', query: `sum by (${config.clusterLabel}) ${enclosed(node)}` },
    ],
  };
}
