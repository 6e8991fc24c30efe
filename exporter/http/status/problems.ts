import { HEALTH_REASONS, type DeviceHealth } from '../../events/device-health.js';
import type { Readiness } from '../routes/health.js';
import type { DeviceStatus, NodeStatus } from './node-status.js';

/** One thing that is wrong on the node. */
export interface Problem {
  /** `bad`: events are missed or a GPU is out of use. `warn`: somebody should look. */
  readonly level: 'bad' | 'warn';
  /** A sentence. */
  readonly what: string;
  /** A sentence that says what to do, or empty. */
  readonly fix: string;
}

/** How long an error counts as recent. */
const RECENT_SECONDS = 15 * 60;

/** Everything that is wrong, the worst first. Pure. */
export function problemsOf(status: NodeStatus, { ready, reason }: Readiness, nowSeconds: number): readonly Problem[] {
  const watch = status.features.find(({ feature }) => feature === 'watch_queue');
  const problems: (Problem | undefined)[] = [
    ready ? undefined : bad(`Events do not arrive: ${reason}.`, watch?.fix || watch?.reason || ''),
    ...status.devices.flatMap((device) => deviceProblems(device, nowSeconds)),
    // Where nothing can be watched, the feature says so, and other sources see the errors.
    ...(watch === undefined || watch.state === 'active' ? status.devices.map(coverageProblem) : []),
    ...status.sources.map(({ lost }) =>
      lost === 0
        ? undefined
        : warn(
            `The kernel discarded events ${times(lost)}.`,
            'Counts from before the last loss are a lower bound; the kernel does not say how many it discarded.',
          ),
    ),
    ...status.drops
      .filter(({ reason, count }) => reason !== 'rate_limited' && count > 0)
      .map(({ stage, sink, reason, count }) =>
        warn(`The exporter dropped ${count} ${count === 1 ? 'event' : 'events'} (${sink || stage}, ${reason}).`, ''),
      ),
    ...deniedFeatures(status, ready),
  ];
  const found = problems.filter((problem) => problem !== undefined);
  return [...found.filter(({ level }) => level === 'bad'), ...found.filter(({ level }) => level === 'warn')];
}

function deviceProblems({ pciBdf, health, lastError }: DeviceStatus, nowSeconds: number): (Problem | undefined)[] {
  return [
    health && healthProblem(health),
    nowSeconds - lastError <= RECENT_SECONDS
      ? warn(
          `GPU ${pciBdf} had VM rebind errors within the last 15 minutes.`,
          'The latest events say whom they hit and what to do.',
        )
      : undefined,
  ];
}

/** Of a device that nobody can judge, the sources that do not work say enough. */
function healthProblem({ pciBdf, state, reason, cause, advice }: DeviceHealth): Problem | undefined {
  if (state === 'ok' || state === 'unknown') return undefined;
  const began = cause === undefined ? '' : ` It began at ${cause.time.slice(0, 19)}Z: ${cause.body}`;
  const level = state === 'recovering' || state === 'faulting' ? warn : bad;
  return level(`GPU ${pciBdf} ${HEALTH_REASONS[reason].what}.${began}`, advice);
}

function coverageProblem({ pciBdf, clients, clientsWatched }: DeviceStatus): Problem | undefined {
  if (clientsWatched >= clients) return undefined;
  return warn(
    `${clients - clientsWatched} of ${clients} clients of GPU ${pciBdf} are not watched: their errors may stay unseen.`,
    'A new client is watched within seconds; if this stays, “xe-exporter doctor” on the node says why.',
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
  return count === 1 ? 'once' : `${count} times`;
}

function bad(what: string, fix: string): Problem {
  return { level: 'bad', what, fix };
}

function warn(what: string, fix: string): Problem {
  return { level: 'warn', what, fix };
}
