import { LABEL, METRIC, UNATTRIBUTED_SERIES } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { anyOf, enclosed, eventsWithin } from './promql.js';
import { COUNT, gpu, VICTIM } from './wording.js';

/** The kernel says ENOMEM when VRAM is exhausted; ENOSPC is of the same class. */
export const OOM_ERRNOS = ['ENOMEM', 'ENOSPC'] as const;
const OOM = anyOf(LABEL.errno, OOM_ERRNOS);
/** Labels that name whom an error hit; which of them exist is the exporter's option --workload-labels. */
export const VICTIM_LABELS = [LABEL.k8sNamespace, LABEL.k8sPod, LABEL.systemdUnit, LABEL.slurmJobId] as const;
/** Every label that the series of a client can have. */
export const CLIENT_LABELS = [LABEL.pciBdf, LABEL.errno, ...VICTIM_LABELS, LABEL.k8sContainer];
/** Errors without a victim are the device's alone: XeVMRebindOOM tells of them. */
const NAMED = [LABEL.k8sPod, LABEL.systemdUnit, LABEL.slurmJobId].map((label) => `${label}!="${UNATTRIBUTED_SERIES}"`);

/** VM rebind errors: a job's GPU memory could not be brought back. */
export function rebindGroup(config: RulesConfig): RuleGroup {
  return { name: 'xe-exporter.rebind', alerts: [oom(config), oomPod(config), oomRepeated(config), timeout(config)] };
}

function deviceErrors(config: RulesConfig, matcher: string, window = config.eventWindow): string {
  return eventsWithin(config, {
    metric: METRIC.vmRebindErrors,
    matchers: [matcher],
    series: [LABEL.pciBdf, LABEL.errno],
    by: [LABEL.pciBdf],
    window,
  });
}

function oom(config: RulesConfig): Alert {
  return {
    name: 'XeVMRebindOOM',
    severity: 'warning',
    query: deviceErrors(config, OOM),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    summary: `${gpu(config)} ran out of memory`,
    description:
      `The driver could not bring a job's GPU memory back and stopped the job's VM, about ${COUNT}x in ${config.eventWindow}. ` +
      'XeVMRebindOOMPod names the job; without it nobody knows whom it hit. First: see who uses this GPU and take a job off it.',
  };
}

function oomPod(config: RulesConfig): Alert {
  return {
    name: 'XeVMRebindOOMPod',
    severity: 'warning',
    query: eventsWithin(config, {
      metric: METRIC.clientVmRebindErrors,
      matchers: [OOM, ...NAMED],
      series: CLIENT_LABELS,
      by: [LABEL.pciBdf, ...VICTIM_LABELS],
      window: config.eventWindow,
    }),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    summary: `${VICTIM} ran out of memory on ${gpu(config)}`,
    description:
      `The driver stopped a VM of it, about ${COUNT}x in ${config.eventWindow}; the job sees a lost device and usually has to be restarted. ` +
      'The jobs on this GPU need more memory than it has. First: restart the job if it hangs, then let fewer or smaller jobs share the GPU.',
  };
}

function oomRepeated(config: RulesConfig): Alert {
  const { window, errors, lostClients } = config.repeated;
  const lost = eventsWithin(config, {
    metric: METRIC.vmRebindOomOutcomes,
    matchers: [anyOf(LABEL.outcome, ['exited', 'repeated'])],
    series: [LABEL.pciBdf, LABEL.outcome],
    by: [LABEL.pciBdf],
    window,
  });
  return {
    name: 'XeVMRebindOOMRepeated',
    severity: 'critical',
    query: enclosed(`${deviceErrors(config, OOM, window)} >= ${errors}\nor\n${lost} >= ${lostClients}`),
    when: { above: 0 },
    summary: `Jobs keep running out of memory on ${gpu(config)}`,
    description:
      `${errors} out-of-memory errors or more, or ${lostClients} jobs or more that ended or failed again, within ${window}: restarts do not cure it. ` +
      'First: keep new jobs off this GPU and stop the one that needs most memory.',
  };
}

function timeout(config: RulesConfig): Alert {
  return {
    name: 'XeVMRebindTimeout',
    severity: 'warning',
    query: deviceErrors(config, anyOf(LABEL.errno, ['ETIME'])),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    summary: `${gpu(config)} does not answer in time`,
    description:
      `A queue did not stop or a move of memory did not end (ETIME), about ${COUNT}x in ${config.eventWindow}; the driver stopped the job's VM. ` +
      'This is a hang, not a lack of memory. First: look for resets and hangs in the kernel log of the node.',
  };
}
