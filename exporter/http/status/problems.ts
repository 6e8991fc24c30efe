import { HEALTH_REASONS, type DeviceHealth } from '../../events/device-health.js';
import { HISTORY_MS } from '../../metrics/recent-history.js';
import { errnoLabelClass, type RebindErrorClass } from '../../wire/errno.js';
import type { Readiness } from '../routes/health.js';
import { inGib } from './amounts.js';
import type { DeviceStatus, NodeStatus } from './node-status.js';

/** One thing that is wrong on the node. */
export interface Problem {
  /** `bad`: events are missed or a GPU is out of use. `warn`: somebody should look. */
  readonly level: 'bad' | 'warn';
  /** A sentence. */
  readonly what: string;
  /** A sentence that says what to do, or empty. */
  readonly fix: string;
  /** The alert whose runbook says more. */
  readonly runbook?: Runbook;
  /** PCI address of the device it is about. */
  readonly pciBdf?: string;
}

/** Alerts with a runbook that the page leads to. */
export const RUNBOOKS = [
  'XeEventSourceDown',
  'XeEventsLost',
  'XeWatchCoverageLow',
  'XeVMRebindOOM',
  'XeVMRebindTimeout',
  'XeDeviceWedged',
  'XeGPUUnfit',
  'XeGPUFaulting',
] as const;
export type Runbook = (typeof RUNBOOKS)[number];

/** Victims that are named. */
const MOST_VICTIMS = 3;

/** Everything that is wrong, the worst first. Pure. */
export function problemsOf(status: NodeStatus, { ready, reason }: Readiness, nowSeconds: number): readonly Problem[] {
  const watch = status.features.find(({ feature }) => feature === 'watch_queue');
  const problems: (Problem | undefined)[] = [
    ready
      ? undefined
      : bad(`Events do not arrive: ${reason}.`, watch?.fix || watch?.reason || '', { runbook: 'XeEventSourceDown' }),
    ...status.devices.flatMap((device) => [healthProblem(device.health), errorProblem(device, nowSeconds)]),
    // Where nothing can be watched, the feature says so, and other sources see the errors.
    ...(watch === undefined || watch.state === 'active' ? status.devices.map(coverageProblem) : []),
    ...status.sources.map(({ lost }) =>
      lost === 0
        ? undefined
        : warn(
            `The kernel discarded events ${times(lost)}.`,
            'Counts from before the last loss are a lower bound; the kernel does not say how many it discarded.',
            { runbook: 'XeEventsLost' },
          ),
    ),
    ...status.drops
      .filter(({ reason, count }) => reason !== 'rate_limited' && count > 0)
      .map(({ stage, sink, reason, count }) =>
        warn(`The exporter dropped ${count} ${count === 1 ? 'event' : 'events'} (${sink || stage}, ${reason}).`, '', {
          runbook: 'XeEventsLost',
        }),
      ),
    ...deniedFeatures(status, ready),
  ];
  const found = problems.filter((problem) => problem !== undefined);
  return [...found.filter(({ level }) => level === 'bad'), ...found.filter(({ level }) => level === 'warn')];
}

/** What a class of errors did to the device, and what to do. */
const ERRORS: Readonly<Record<RebindErrorClass, { what: string; fix: string; runbook: Runbook }>> = {
  memory: {
    what: 'ran out of memory',
    fix: 'Restart the job that was hit if it hangs, and let fewer or smaller jobs share this GPU.',
    runbook: 'XeVMRebindOOM',
  },
  timeout: {
    what: 'did not answer in time',
    fix: 'Look for resets and hangs in the kernel log of the node.',
    runbook: 'XeVMRebindTimeout',
  },
  'host-memory': {
    what: 'found host memory busy',
    fix: 'Check memory pressure, swap and NUMA balancing on the node.',
    runbook: 'XeVMRebindOOM',
  },
  internal: {
    what: 'met an error of the driver',
    fix: 'Save the kernel log and report a bug.',
    runbook: 'XeVMRebindOOM',
  },
};

/** Whom the errors of the last quarter of an hour hit, who holds the memory, and what to do. */
function errorProblem(device: DeviceStatus, nowSeconds: number): Problem | undefined {
  const { pciBdf, model, lastError, history, rebindErrors, victims } = device;
  if (nowSeconds - lastError > HISTORY_MS / 1000) return undefined;
  const counts = new Map<RebindErrorClass, number>();
  for (const [index, [errno]] of rebindErrors.entries()) {
    const count = history.reduce((sum, { errors }) => sum + (errors[index] ?? 0), 0);
    const kind = errnoLabelClass(errno);
    if (count > 0) counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  const kinds = (Object.keys(ERRORS) as RebindErrorClass[]).filter((kind) => counts.has(kind));
  const what = kinds.map((kind) => `${ERRORS[kind].what} ${times(counts.get(kind)!)}`).join(', ');
  const more = victims.length - MOST_VICTIMS;
  const named = [...victims.slice(0, MOST_VICTIMS), ...(more > 0 ? [`${more} more`] : [])];
  const hit = named.length === 0 ? [] : [`Hit: ${named.join(', ')}.`];
  const { fix, runbook } = ERRORS[kinds[0] ?? 'memory'];
  const name = model === '' ? pciBdf : `${pciBdf} (${model})`;
  return warn(
    `GPU ${name} ${what || 'had VM rebind errors'} in the last 15 minutes.`,
    [...hit, ...largestHolder(device), kinds.length === 0 ? 'The latest events say what to do.' : fix].join(' '),
    { pciBdf, runbook },
  );
}

function largestHolder({ memory }: DeviceStatus): readonly string[] {
  const [first] = memory?.holders ?? [];
  return first && memory
    ? [`${first.owner} holds the most, ${inGib(first.bytes)} of ${inGib(memory.sizeBytes)} GiB.`]
    : [];
}

/** Of a device that nobody can judge, the sources that do not work say enough. */
function healthProblem(health: DeviceHealth | undefined): Problem | undefined {
  if (health === undefined || health.state === 'ok' || health.state === 'unknown') return undefined;
  const { pciBdf, state, reason, cause, advice } = health;
  const began = cause === undefined ? '' : ` It began at ${cause.time.slice(0, 19)}Z: ${cause.body}`;
  const level = state === 'recovering' || state === 'faulting' ? warn : bad;
  const runbook = state === 'wedged' ? 'XeDeviceWedged' : state === 'faulting' ? 'XeGPUFaulting' : 'XeGPUUnfit';
  return level(`GPU ${pciBdf} ${HEALTH_REASONS[reason].what}.${began}`, advice, { runbook, pciBdf });
}

function coverageProblem({ pciBdf, clients, clientsWatched }: DeviceStatus): Problem | undefined {
  if (clientsWatched >= clients) return undefined;
  return warn(
    `${clients - clientsWatched} of ${clients} clients of GPU ${pciBdf} are not watched: their errors may stay unseen.`,
    'A new client is watched within seconds; if this stays, “xe-exporter doctor” on the node says why.',
    { runbook: 'XeWatchCoverageLow' },
  );
}

/** A way of finding clients that is denied is no trouble while another one works. */
function deniedFeatures({ features }: NodeStatus, ready: boolean): Problem[] {
  const found = features.some(({ feature, state }) => feature.startsWith('discovery_') && state === 'active');
  return features
    .filter(({ feature, state }) => state === 'denied' && !(found && feature.startsWith('discovery_')))
    .filter(({ feature }) => ready || feature !== 'watch_queue')
    .map(({ feature, reason, fix }) => warn(`The exporter is denied ${feature}${reason && `: ${reason}`}.`, fix));
}

function times(count: number): string {
  return count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`;
}

type More = Pick<Problem, 'runbook' | 'pciBdf'>;

function bad(what: string, fix: string, more: More = {}): Problem {
  return { level: 'bad', what, fix, ...more };
}

function warn(what: string, fix: string, more: More = {}): Problem {
  return { level: 'warn', what, fix, ...more };
}
