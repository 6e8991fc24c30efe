import { RESET_SECONDS, type HealthReason, type HealthSignal } from '../../events/device-health.js';

const RESET_MS = RESET_SECONDS * 1000;
/** One fault makes several lines: what follows within so many milliseconds is the same one, or the echo of the reset before. */
const ECHO_MS = 5_000;
/** So many faults, none further than {@link QUIET_MS} from the next, are no accident. */
const REPEATED = 3;
/** So many faults behind a completed reset show that it did not help. */
const IN_VAIN = 2;
/** A device that reports no fault for so long has got over the last one, in milliseconds. */
export const QUIET_MS = 5 * 60_000;
/** More than any device has; a line that names another one says nothing. */
const MAX_GTS = 16;
/** Stands for the GT of a line that names none, which first versions of the driver wrote. */
export const NO_GT = -1;

/** What stands until the driver is bound again, the strongest first. */
const STANDING = ['off_bus', 'not_started', 'survivability', 'wedged'] as const;
type Standing = (typeof STANDING)[number];

/** What is known of the fitness of one device. Immutable; times are milliseconds of CLOCK_MONOTONIC. */
export interface Condition {
  readonly standing: Standing | undefined;
  /** Resets that have not completed: by GT, when the first of them was asked for or started. */
  readonly openResets: ReadonlyMap<number, number>;
  readonly resetFailed: boolean;
  readonly resetCompletedAt: number;
  /** Faults that followed the completed reset without a quiet time between. */
  readonly faultsAfterReset: number;
  /** Faults of the present run, which a quiet time ends. */
  readonly faults: number;
  readonly lastFaultAt: number;
  /** When the last fault was counted: its echoes are not. */
  readonly countedAt: number;
  /** Whether the run has one that nobody would let pass. */
  readonly grave: boolean;
}

/** A device that the driver has just been bound to. */
export const BOUND: Condition = {
  standing: undefined,
  openResets: new Map(),
  resetFailed: false,
  resetCompletedAt: -Infinity,
  faultsAfterReset: 0,
  faults: 0,
  lastFaultAt: -Infinity,
  countedAt: -Infinity,
  grave: false,
};

/** The condition after a signal. The same object when the signal says nothing new, as the thousands of a storm do. */
export function after(before: Condition, signal: HealthSignal, gt: number, at: number): Condition {
  switch (signal) {
    case 'wedged':
    case 'survivability':
    case 'off_bus':
    case 'not_started':
      return isStronger(before.standing, signal) ? before : { ...before, standing: signal };
    case 'reset_needed':
    case 'reset_started':
      return before.openResets.has(gt) || before.openResets.size >= MAX_GTS
        ? before
        : { ...withFault(before, at, false), openResets: new Map([...before.openResets, [gt, at]]) };
    case 'reset_failed':
      return { ...withFault(before, at, false), openResets: without(before, gt), resetFailed: true };
    case 'reset_completed':
      return {
        ...before,
        openResets: without(before, gt),
        resetFailed: false,
        resetCompletedAt: at,
        faultsAfterReset: 0,
      };
    case 'fault':
    case 'grave_fault':
      return inVain(withFault(before, at, signal === 'grave_fault'), before);
  }
}

/** The condition when it can be seen again: a reset that was open may have completed meanwhile, so its time begins anew. */
export function seenAgain(before: Condition, at: number): Condition {
  if (before.openResets.size === 0) return before;
  return { ...before, openResets: new Map([...before.openResets.keys()].map((gt) => [gt, at])) };
}

/**
 * What is to be said of a device.
 * @param blindSince since when no source can tell; Infinity while one can
 */
export function reasonAt(condition: Condition, now: number, blindSince: number): HealthReason {
  const { standing, resetFailed, faultsAfterReset, openResets } = condition;
  if (standing !== undefined) return standing;
  if (resetFailed) return 'reset_failed';
  if (faultsAfterReset >= IN_VAIN) return 'faults_go_on';
  const seenUntil = Math.min(now, blindSince);
  for (const since of openResets.values()) if (since + RESET_MS <= seenUntil) return 'reset_stuck';
  if (blindSince <= now) return 'unseen';
  if (openResets.size > 0) return 'resetting';
  return isFaulting(condition) && now < condition.lastFaultAt + QUIET_MS ? 'faults_repeat' : 'ok';
}

/** When the reason changes next if nothing happens, later than `now`; Infinity for never. */
export function nextChange(condition: Condition, now: number): number {
  const ends = [...condition.openResets.values()].map((since) => since + RESET_MS);
  if (isFaulting(condition)) ends.push(condition.lastFaultAt + QUIET_MS);
  return Math.min(Infinity, ...ends.filter((end) => end > now));
}

function isStronger(standing: Standing | undefined, signal: Standing): boolean {
  return standing !== undefined && STANDING.indexOf(standing) <= STANDING.indexOf(signal);
}

function without({ openResets }: Condition, gt: number): ReadonlyMap<number, number> {
  if (gt === NO_GT) return BOUND.openResets;
  return new Map([...openResets].filter(([open]) => open !== gt && open !== NO_GT));
}

function isFaulting({ faults, grave }: Condition): boolean {
  return grave || faults >= REPEATED;
}

function withFault(before: Condition, at: number, grave: boolean): Condition {
  const ended = at - before.lastFaultAt >= QUIET_MS;
  const isEcho = at - before.countedAt < ECHO_MS;
  return {
    ...before,
    faults: ended ? 1 : before.faults + (isEcho ? 0 : 1),
    grave: grave || (before.grave && !ended),
    lastFaultAt: at,
    countedAt: isEcho ? before.countedAt : at,
  };
}

/** Counts a fault that shows that the reset before has not helped. */
function inVain(counted: Condition, before: Condition): Condition {
  const { countedAt, resetCompletedAt } = counted;
  const isNew = countedAt !== before.countedAt && countedAt - resetCompletedAt >= ECHO_MS;
  const since = Math.max(resetCompletedAt, before.lastFaultAt);
  if (!isNew || resetCompletedAt === -Infinity || countedAt - since >= QUIET_MS) return counted;
  return { ...counted, faultsAfterReset: before.faultsAfterReset + 1 };
}
