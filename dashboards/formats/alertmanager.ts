import { LABEL } from '../../exporter/names.js';
import type { Alert } from '../rules/alert.js';
import type { RulesConfig } from '../rules/config.js';
import { place } from '../rules/promql.js';
import { toYaml } from './yaml.js';

type AlertName = Alert['name'];

/** Which alert makes which others needless, where these labels agree. Each has a reason. */
const inhibitions = (config: RulesConfig): readonly Inhibition[] => {
  const cluster = [config.clusterLabel];
  const node = place(config);
  const device = [...node, LABEL.pciBdf];
  return [
    // A network fault or a bad rollout is one incident, however many nodes it hits.
    { source: 'XeExportersDown', targets: ['XeExporterDown'], equal: cluster },
    // A dead device explains every error of its jobs.
    {
      source: 'XeDeviceWedged',
      targets: ['XeVMRebindOOM', 'XeVMRebindOOMPod', 'XeVMRebindOOMRepeated', 'XeVMRebindTimeout', 'XeDeviceCoredump'],
      equal: device,
    },
    // A GPU that is unfit explains them, too.
    {
      source: 'XeGPUUnfit',
      targets: [
        'XeVMRebindOOM',
        'XeVMRebindOOMPod',
        'XeVMRebindOOMRepeated',
        'XeVMRebindTimeout',
        'XeDeviceCoredump',
        'XeGPUFaulting',
      ],
      equal: device,
    },
    // A GPU on which the driver did not start is lost, and this alert says why.
    { source: 'XeDeviceProbeFailed', targets: ['XeGPUUnfit'], equal: device },
    // The same error, with the name of the job it hit.
    { source: 'XeVMRebindOOMPod', targets: ['XeVMRebindOOM'], equal: device },
    // The same errors, but many.
    { source: 'XeVMRebindOOMRepeated', targets: ['XeVMRebindOOM'], equal: device },
  ];
};

interface Inhibition {
  readonly source: AlertName;
  readonly targets: readonly AlertName[];
  readonly equal: readonly string[];
}

export interface AlertmanagerOptions {
  /** Configuration of the one receiver, beside its name. */
  readonly receiver?: Readonly<Record<string, unknown>>;
  readonly groupWait?: string;
  readonly groupInterval?: string;
}

/**
 * An Alertmanager configuration: the inhibition rules that the alerts count on, and a route that pages once for a fault that hits a
 * whole fleet, and once for each team whose jobs are hit.
 */
export function alertmanagerConfig(config: RulesConfig, options: AlertmanagerOptions = {}): string {
  const { receiver = {}, groupWait = '30s', groupInterval = '5m' } = options;
  const fleet = ['alertname', config.clusterLabel];
  const value = {
    route: {
      receiver: 'gpu-operations',
      group_by: fleet,
      group_wait: groupWait,
      group_interval: groupInterval,
      repeat_interval: '12h',
      routes: [
        {
          receiver: 'gpu-operations',
          matchers: ['alertname="XeVMRebindOOMPod"'],
          group_by: [...fleet, LABEL.k8sNamespace],
        },
      ],
    },
    receivers: [{ name: 'gpu-operations', ...receiver }],
    inhibit_rules: inhibitions(config).map(({ source, targets, equal }) => ({
      source_matchers: [`alertname="${source}"`],
      target_matchers: [targets.length === 1 ? `alertname="${targets[0]}"` : `alertname=~"${targets.join('|')}"`],
      equal,
    })),
  };
  return toYaml(
    value,
    'An example: copy inhibit_rules as they are, and as much of the route as suits you.',
    `To send XeVMRebindOOMPod to the team that owns the job, match on ${LABEL.k8sNamespace}.`,
  );
}
