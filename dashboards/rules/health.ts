import { EVENT_METRIC } from '../../exporter/events/index.js';
import { LABEL, METRIC, type DeviceHealthState } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { anyOf, eventsWithin, maxBy, selector } from './promql.js';
import { gpu, inTheLast, TIMES } from './wording.js';

/** Whether each GPU is fit for work. */
export function healthGroup(config: RulesConfig): RuleGroup {
  return { name: 'xe-exporter.health', alerts: [unfit(config), faulting(config), probeFailed(config)] };
}

const STATE = { dashboard: 'xe-node', title: 'GPU state' } as const;

function inState(config: RulesConfig, ...states: readonly DeviceHealthState[]): string {
  const series = selector(METRIC.deviceHealth, anyOf(LABEL.state, states));
  return maxBy(config, [LABEL.pciBdf, LABEL.state], `${series} > 0`);
}

/** A wedged GPU has an alert of its own, and running out of memory or hanging makes no GPU unfit. */
function unfit(config: RulesConfig): Alert {
  return {
    name: 'XeGPUUnfit',
    severity: 'critical',
    query: inState(config, 'unrecovered', 'lost', 'survivability'),
    when: { above: 0 },
    for: config.unfitFor,
    keepFiringFor: config.wedgedKeepFiringFor,
    panel: STATE,
    summary: `${gpu(config)} is unfit for work: {{ $labels.${LABEL.state} }}`,
    description:
      'Jobs on it fail or hang. First: cordon the node, then do what GET /devices of the exporter or its log event xe.device.health_changed advises. Do not unbind the driver while a reset is stuck: the unbind hangs, and only a power cycle helps.',
  };
}

function faulting(config: RulesConfig): Alert {
  return {
    name: 'XeGPUFaulting',
    severity: 'warning',
    query: inState(config, 'faulting'),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    panel: STATE,
    summary: `${gpu(config)} works, but reports faults of its own`,
    description:
      'The device or its firmware failed, not a job, and more than once or gravely. First: read the first fault in the log event xe.device.health_changed, and drain the GPU when you can.',
  };
}

function probeFailed(config: RulesConfig): Alert {
  return {
    name: 'XeDeviceProbeFailed',
    severity: 'critical',
    query: eventsWithin(config, {
      counters: [{ metric: EVENT_METRIC.deviceProbeFailed }],
      by: [LABEL.pciBdf],
      window: config.eventWindow,
    }),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    panel: STATE,
    summary: `${gpu(config)} is missing: the xe driver did not start on it`,
    description: `This happened ${TIMES} ${inTheLast(config.eventWindow)}. No job can use this GPU, and it has no device nodes. First: read its first error in the kernel log; a firmware file that is not installed is the log event xe.firmware.missing.`,
  };
}
