import { EVENT_METRIC } from '../../exporter/events/index.js';
import { LABEL, METRIC } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { enclosed, eventsWithin, maxBy, selector, type Counter } from './promql.js';
import { BYTES_PER_SECOND, gpu, inTheLast, SHARE, spoken, TIMES } from './wording.js';

/** The device itself. */
export function deviceGroup(config: RulesConfig): RuleGroup {
  const optional = config.vramNearlyFull.enabled ? [vramNearlyFull(config)] : [];
  return {
    name: 'xe-exporter.device',
    alerts: [wedged(config), unusable(config), hardwareError(config), coredump(config), thrashing(config), ...optional],
  };
}

const RESETS = { dashboard: 'xe-node', title: 'Resets, timeouts and hardware errors' } as const;
const STATE = { dashboard: 'xe-node', title: 'GPU state' } as const;

function deviceEvents(config: RulesConfig, counter: Counter): string {
  return eventsWithin(config, { counters: [counter], by: [LABEL.pciBdf], window: config.eventWindow });
}

function wedged(config: RulesConfig): Alert {
  return {
    name: 'XeDeviceWedged',
    severity: 'critical',
    query: maxBy(config, [LABEL.pciBdf], `${METRIC.deviceWedged} > 0`),
    when: { above: 0 },
    keepFiringFor: config.wedgedKeepFiringFor,
    panel: STATE,
    summary: `${gpu(config)} is wedged: the driver has declared it dead`,
    description:
      'Every job on it fails until the driver is rebound. First: drain GPU jobs from the node, then unbind and rebind the device; if it wedges again, reset its PCI bus or reboot the node.',
  };
}

/** The driver is there and the device is of no use: no driver can cure what its firmware lacks. */
function unusable(config: RulesConfig): Alert {
  const survival = maxBy(config, [LABEL.pciBdf], `${METRIC.deviceSurvivabilityMode} > 0`);
  const gucFailures = deviceEvents(config, { metric: EVENT_METRIC.gucLoadFailure });
  return {
    name: 'XeDeviceUnusable',
    severity: 'critical',
    query: enclosed(`${survival}\nor\n${gucFailures}`),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    panel: STATE,
    summary: `${gpu(config)} is unusable: its firmware does not work`,
    description:
      'It is in survivability mode (reflash the card), or its GuC firmware failed to load (install a linux-firmware that matches the kernel). First: cordon the node, then check which of the two it is.',
  };
}

/** What the hardware did not correct itself; corrected errors are for dashboards. */
function hardwareError(config: RulesConfig): Alert {
  return {
    name: 'XeDeviceHardwareError',
    severity: 'critical',
    query: deviceEvents(config, { metric: EVENT_METRIC.hardwareError, matchers: [`${LABEL.severity}="uncorrected"`] }),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    panel: RESETS,
    summary: `${gpu(config)} reported uncorrected hardware errors`,
    description: `This happened ${TIMES} ${inTheLast(config.eventWindow)}. Jobs on this GPU may have produced wrong results. First: stop its jobs, then read the "[Hardware Error]" lines in the node's kernel log.`,
  };
}

function coredump(config: RulesConfig): Alert {
  return {
    name: 'XeDeviceCoredump',
    severity: 'warning',
    query: deviceEvents(config, { metric: EVENT_METRIC.deviceCoredump }),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    panel: RESETS,
    summary: `${gpu(config)} hung and left a coredump`,
    description: `This happened ${TIMES} ${inTheLast(config.eventWindow)}. The kernel deletes a coredump after an hour. First: copy it off the node, then find the job it names.`,
  };
}

/** Jobs whose memory does not fit together take turns in it: before one of them fails. */
function thrashing(config: RulesConfig): Alert {
  const { window, bytesPerSecond, for: duration } = config.memoryThrashing;
  const [evicted, restored] = [METRIC.deviceEvictedBytes, METRIC.deviceRestoredBytes].map((metric) =>
    maxBy(config, [LABEL.pciBdf], `rate(${metric}[${window}])`),
  );
  return {
    name: 'XeMemoryThrashing',
    severity: 'warning',
    query: enclosed(`${evicted} < ${restored}\nor\n${restored}`),
    when: { above: bytesPerSecond },
    for: duration,
    panel: { dashboard: 'xe-node', title: 'Memory moved out of and back into VRAM' },
    summary: `${gpu(config)} keeps moving its memory out and back`,
    description: `For ${spoken(duration)} the driver has moved ${BYTES_PER_SECOND} out of VRAM, and at least as much back. The jobs on this GPU need more memory than it has: they are slow, and an out-of-memory error may follow. First: see who holds the memory and move a job off this GPU.`,
  };
}

function vramNearlyFull(config: RulesConfig): Alert {
  const { ratio, for: duration } = config.vramNearlyFull;
  const vram = (metric: string) =>
    maxBy(config, [LABEL.pciBdf, LABEL.region], selector(metric, `${LABEL.region}=~"vram.*"`));
  return {
    name: 'XeVRAMNearlyFull',
    severity: 'info',
    query: `${vram(METRIC.deviceMemoryUsed)}\n/\n${vram(METRIC.deviceMemorySize)}`,
    when: { above: ratio },
    for: duration,
    panel: { dashboard: 'xe-node', title: 'Who held the memory' },
    summary: `${gpu(config)} has ${SHARE} of its memory in use`,
    description: `Region {{ $labels.${LABEL.region} }} has been this full for ${spoken(duration)}. One more job may push the others out of memory. First: see who holds the memory.`,
  };
}
