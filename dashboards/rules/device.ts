import { LABEL, METRIC } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { enclosed, eventsWithin, maxBy, selector } from './promql.js';
import { COUNT, gpu, SHARE } from './wording.js';

/** The device itself. */
export function deviceGroup(config: RulesConfig): RuleGroup {
  const optional = config.vramNearlyFull.enabled ? [vramNearlyFull(config)] : [];
  return {
    name: 'xe-exporter.device',
    alerts: [wedged(config), unusable(config), hardwareError(config), coredump(config), ...optional],
  };
}

function wedged(config: RulesConfig): Alert {
  return {
    name: 'XeDeviceWedged',
    severity: 'critical',
    query: maxBy(config, [LABEL.pciBdf], METRIC.deviceWedged),
    when: { above: 0 },
    keepFiringFor: config.wedgedKeepFiringFor,
    summary: `${gpu(config)} is wedged: the driver gave it up`,
    description:
      'Every job on it fails until the driver is bound anew. First: drain the node of GPU jobs, then unbind and bind the device; if it wedges again, reset its bus or reboot.',
  };
}

/** The driver is there and the device is of no use: no driver can cure what its firmware lacks. */
function unusable(config: RulesConfig): Alert {
  const survival = maxBy(config, [LABEL.pciBdf], METRIC.deviceSurvivabilityMode);
  const gucFailures = eventsWithin(config, {
    metric: METRIC.gucLoadFailures,
    series: [LABEL.pciBdf],
    by: [LABEL.pciBdf],
    window: config.eventWindow,
  });
  return {
    name: 'XeDeviceUnusable',
    severity: 'critical',
    query: enclosed(`${survival} > 0\nor\n${gucFailures} > 0`),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    summary: `${gpu(config)} has firmware that does not work`,
    description:
      'It is in survivability mode, or its GuC did not load: no job can use it. First: keep jobs off it, then see which of the two it is; the first needs the card flashed, the second a firmware file that fits the kernel.',
  };
}

/** What the hardware did not correct itself; corrected errors are for dashboards. */
function hardwareError(config: RulesConfig): Alert {
  return {
    name: 'XeDeviceHardwareError',
    severity: 'warning',
    query: eventsWithin(config, {
      metric: METRIC.hardwareErrors,
      matchers: [`${LABEL.severity}="uncorrected"`],
      series: [LABEL.pciBdf, LABEL.severity],
      by: [LABEL.pciBdf],
      window: config.eventWindow,
    }),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    summary: `${gpu(config)} reported hardware errors that were not corrected`,
    description: `About ${COUNT} in ${config.eventWindow}. Results of jobs on it may be wrong. First: stop the jobs on it, then read the lines with "[Hardware Error]" in the kernel log of the node.`,
  };
}

function coredump(config: RulesConfig): Alert {
  return {
    name: 'XeDeviceCoredump',
    severity: 'warning',
    query: eventsWithin(config, {
      metric: METRIC.devcoredumps,
      series: [LABEL.pciBdf],
      by: [LABEL.pciBdf],
      window: config.eventWindow,
    }),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    summary: `${gpu(config)} hung and left a coredump`,
    description: `Coredumps in ${config.eventWindow}: about ${COUNT}. The kernel deletes one after an hour. First: copy its data off the node, then find the job it names.`,
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
    summary: `${gpu(config)} has ${SHARE} of its memory in use`,
    description: `Region {{ $labels.${LABEL.region} }} has been this full for ${duration}. One more job may run the others out of memory. First: see whose memory it is.`,
  };
}
