import { LABEL, METRIC } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { VICTIM_LABELS } from './counters.js';
import { anyOf, enclosed, eventsWithin, type EventCount } from './promql.js';
import { COUNT, gpu, inTheLast, jobsHit, NAMED, TIMES, VICTIM } from './wording.js';

/** The kernel says ENOMEM when VRAM is exhausted; ENOSPC is of the same class. */
export const OOM_ERRNOS = ['ENOMEM', 'ENOSPC'] as const;
const OOM = anyOf(LABEL.errno, OOM_ERRNOS);
const TIMEOUT = anyOf(LABEL.errno, ['ETIME']);

/** VM rebind errors: a job's GPU memory could not be brought back. */
export function rebindGroup(config: RulesConfig): RuleGroup {
  return { name: 'xe-exporter.rebind', alerts: [oom(config), oomPod(config), oomRepeated(config), timeout(config)] };
}

function deviceErrors(config: RulesConfig, matcher: string, count: Partial<EventCount> = {}): string {
  const counters = [{ metric: METRIC.vmRebindErrors, matchers: [matcher] }];
  return eventsWithin(config, { counters, by: [LABEL.pciBdf], window: config.eventWindow, ...count });
}

function oom(config: RulesConfig): Alert {
  return {
    name: 'XeVMRebindOOM',
    severity: 'warning',
    query: deviceErrors(config, OOM),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    panel: { dashboard: 'xe-node', title: 'Who ran out of GPU memory, and when' },
    summary: `${gpu(config)} ran out of memory`,
    description:
      `The xe driver could not move a job's memory back into VRAM and killed its GPU context (${TIMES} ${inTheLast(config.eventWindow)}). ` +
      'XeVMRebindOOMPod identifies the job; if it is not firing, the victim is unknown. First: see who holds the memory of this GPU and move a job off it.',
    inPrometheus: jobsHit(config, OOM, config.eventWindow),
  };
}

function oomPod(config: RulesConfig): Alert {
  return {
    name: 'XeVMRebindOOMPod',
    severity: 'warning',
    query: eventsWithin(config, {
      counters: [{ metric: METRIC.clientVmRebindErrors, matchers: [OOM, ...NAMED] }],
      by: [LABEL.pciBdf, ...VICTIM_LABELS],
      window: config.eventWindow,
    }),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    panel: { dashboard: 'xe-node', title: 'Who ran out of GPU memory, and when' },
    summary: `${VICTIM} ran out of memory on ${gpu(config)}`,
    description:
      `The xe driver killed its GPU context ${TIMES} ${inTheLast(config.eventWindow)}. The job sees a lost device and usually has to be restarted. ` +
      'The jobs on this GPU need more memory than it has. First: restart the job if it hangs, then let fewer or smaller jobs share the GPU.',
  };
}

function oomRepeated(config: RulesConfig): Alert {
  const { window, errors, lostClients } = config.repeated;
  const lost = eventsWithin(config, {
    counters: [{ metric: METRIC.vmRebindOomOutcomes, matchers: [anyOf(LABEL.outcome, ['exited', 'repeated'])] }],
    by: [LABEL.pciBdf],
    window,
    increaseOnly: true,
  });
  const failed = deviceErrors(config, OOM, { window, increaseOnly: true });
  return {
    name: 'XeVMRebindOOMRepeated',
    severity: 'critical',
    query: enclosed(`${failed} >= ${errors}\nor\n${lost} >= ${lostClients}`),
    when: { above: 0 },
    panel: { dashboard: 'xe-node', title: 'Who held the memory' },
    summary: `Jobs keep running out of memory on ${gpu(config)}`,
    description:
      `About ${COUNT} out-of-memory errors, or jobs lost to them, ${inTheLast(window)} (the limits are ${errors} errors and ${lostClients} jobs). Restarting the jobs does not help. ` +
      'First: keep new jobs off this GPU and stop the one that needs the most memory.',
    inPrometheus: jobsHit(config, OOM, window),
  };
}

function timeout(config: RulesConfig): Alert {
  return {
    name: 'XeVMRebindTimeout',
    severity: 'warning',
    query: deviceErrors(config, TIMEOUT),
    when: { above: 0 },
    keepFiringFor: config.eventKeepFiringFor,
    panel: { dashboard: 'xe-node', title: 'Resets, timeouts and hardware errors' },
    summary: `${gpu(config)} is hanging (ETIME)`,
    description:
      `A GPU queue failed to suspend, or a memory migration never completed, ${TIMES} ${inTheLast(config.eventWindow)}. The driver killed the job's GPU context. ` +
      "This is a hang, not a lack of memory. First: look for resets and hangs in the node's kernel log.",
    inPrometheus: jobsHit(config, TIMEOUT, config.eventWindow),
  };
}
