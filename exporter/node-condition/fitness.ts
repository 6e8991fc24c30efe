import { HEALTH_REASONS, verdictOf, type DeviceHealth } from '../events/device-health.js';
import type { NodeCondition } from '../kubernetes/node/node-status.js';
import type { DeviceHealthState } from '../names.js';

/** What the condition of the node says: nothing in it changes while the GPUs stay as they are. */
export type Fitness = Pick<NodeCondition, 'status' | 'reason' | 'message'>;

/** More of them are counted only. */
const MOST_NAMED = 4;

const REASONS: Partial<Readonly<Record<DeviceHealthState, string>>> = {
  wedged: 'XeGPUWedged',
  survivability: 'XeGPUInSurvivabilityMode',
  unrecovered: 'XeGPUNotRecovered',
  lost: 'XeGPULost',
};

/**
 * Whether the GPUs of a node are fit for work, by the verdicts of `xe-exporter health`. One that is being reset counts as fit: that is over, or
 * has failed, within seconds, and a hang of a job brings it about. Pure.
 */
export function fitnessOf(devices: readonly DeviceHealth[]): Fitness {
  const unfit = devices.filter((device) => verdictOf(device) === 'unfit');
  const [first] = unfit;
  if (first !== undefined)
    return { status: 'False', reason: REASONS[first.state] ?? 'XeGPUUnfit', message: listOf(unfit) };
  if (devices.length === 0)
    return { status: 'Unknown', reason: 'NoXeGPU', message: 'The xe driver has no GPU on this node.' };
  if (devices.some(({ state }) => state === 'unknown'))
    return { status: 'Unknown', reason: 'NoEventSource', message: listOf(devices.slice(0, 1)) };
  const faulting = devices.filter(({ state }) => state === 'faulting');
  if (faulting.length > 0) return { status: 'True', reason: 'XeGPUReportsFaults', message: listOf(faulting) };
  return { status: 'True', reason: 'XeGPUsAreFit', message: 'Every GPU of the xe driver can take work.' };
}

function listOf(devices: readonly DeviceHealth[]): string {
  const more = devices.length - MOST_NAMED;
  return [...devices.slice(0, MOST_NAMED).map(sentences), ...(more > 0 ? [`And ${more} more.`] : [])].join(' ');
}

function sentences({ pciBdf, reason, cause }: DeviceHealth): string {
  const { what, advice } = HEALTH_REASONS[reason];
  // Its sentence can name a pod, which not everybody who may see the node may see.
  const began = cause && ` It began with ${cause.event}.`;
  return `GPU ${pciBdf} ${what}.${began ?? ''} ${advice}`;
}
