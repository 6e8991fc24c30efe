import { constants } from 'node:os';
import type { FeatureReport } from '../features.js';
import type { NativeFailure } from '../native/binding.js';
import { errnoName } from '../wire/errno.js';

/** Whether hardware error counters can be read here. */
export type RasSupport = Omit<FeatureReport, 'feature'>;

const { ENOENT, EPERM, EACCES } = constants.errno;

export const RAS_ACTIVE: RasSupport = { state: 'active', reason: '', fix: '' };

/** The driver has counters for none of the devices of this node. */
export const NO_COUNTERS: RasSupport = {
  state: 'unsupported',
  reason: 'the driver has no hardware error counters for these devices',
  fix: 'Only server GPUs have them: Ponte Vecchio and, from Linux 7.3 on, Crescent Island. Leave out --ras-interval.',
};

/** Why the kernel gave neither family nor nodes. Pure. */
export function rasRefused(failure: NativeFailure): RasSupport {
  const { operation, errno } = failure;
  if (errno === EPERM || errno === EACCES) {
    return {
      state: 'denied',
      reason: `hardware error counters: ${said(failure)}`,
      fix: 'Run with CAP_NET_ADMIN, in the user namespace of the host.',
    };
  }
  if (operation === 'answer' && errno === ENOENT) {
    return {
      state: 'unsupported',
      reason: 'this kernel has no hardware error counters: there is no netlink family drm-ras',
      fix: 'It takes Linux 7.1 or later with CONFIG_DRM_RAS. Leave out --ras-interval.',
    };
  }
  return {
    state: 'unsupported',
    reason: `hardware error counters: ${said(failure)}`,
    fix: 'Look for drm errors in the kernel log.',
  };
}

/** Of a device whose counters could not be read; undefined where there is nothing to do about it, as with one that sleeps. Pure. */
export function deviceTrouble(pciBdf: string, failure: NativeFailure): RasSupport | undefined {
  // Its nodes went with the driver, or it fell asleep.
  if (failure.operation === 'asleep' || failure.errno === ENOENT) return undefined;
  return {
    ...RAS_ACTIVE,
    reason: `hardware error counters of ${pciBdf}: ${said(failure)}`,
    fix: 'Look for xe errors in the kernel log.',
  };
}

function said({ operation, errno }: NativeFailure): string {
  return operation === 'answer'
    ? `the kernel answered ${errnoName(errno)}`
    : `${operation} failed with ${errnoName(errno)}`;
}
