import { LABEL } from '../../exporter/names.js';
import type { Alert } from '../rules/alert.js';
import type { RulesConfig } from '../rules/config.js';
import { place } from '../rules/promql.js';
import { VICTIM_LABELS } from '../rules/rebind.js';
import { toYaml } from './yaml.js';

type AlertName = Alert['name'];

/** Which alert makes which others needless, on one device. Each pair has a reason. */
const INHIBITIONS: readonly { source: AlertName; targets: readonly AlertName[] }[] = [
  // A device that was given up explains every error of its jobs.
  {
    source: 'XeDeviceWedged',
    targets: ['XeVMRebindOOM', 'XeVMRebindOOMPod', 'XeVMRebindOOMRepeated', 'XeVMRebindTimeout'],
  },
  // The same error, but with the name of the job it hit.
  { source: 'XeVMRebindOOMPod', targets: ['XeVMRebindOOM'] },
  // The same errors, but many.
  { source: 'XeVMRebindOOMRepeated', targets: ['XeVMRebindOOM'] },
];

export interface AlertmanagerOptions {
  /** Configuration of the one receiver, beside its name. */
  readonly receiver?: Readonly<Record<string, unknown>>;
  readonly groupWait?: string;
  readonly groupInterval?: string;
}

/** An Alertmanager configuration: the inhibition rules that the alerts count on, and a route that pages once for each job. */
export function alertmanagerConfig(config: RulesConfig, options: AlertmanagerOptions = {}): string {
  const { receiver = {}, groupWait = '30s', groupInterval = '5m' } = options;
  const device = [...place(config), LABEL.pciBdf];
  const value = {
    route: {
      receiver: 'gpu-operations',
      group_by: ['alertname', ...device],
      group_wait: groupWait,
      group_interval: groupInterval,
      repeat_interval: '12h',
      routes: [
        {
          receiver: 'gpu-operations',
          matchers: ['alertname="XeVMRebindOOMPod"'],
          group_by: ['alertname', ...device, ...VICTIM_LABELS],
        },
      ],
    },
    receivers: [{ name: 'gpu-operations', ...receiver }],
    inhibit_rules: INHIBITIONS.map(({ source, targets }) => ({
      source_matchers: [`alertname="${source}"`],
      target_matchers: [`alertname=~"${targets.join('|')}"`],
      equal: device,
    })),
  };
  return toYaml(
    value,
    'An example: take inhibit_rules over as they are, and the route as far as it suits you.',
    `Send XeVMRebindOOMPod to the team whose job it is by a matcher on ${LABEL.k8sNamespace}.`,
  );
}
