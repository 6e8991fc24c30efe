import type { DeviceHealthState } from '../names.js';

/** What an incident says about the fitness of its device. What a job did to itself says nothing, so most events have none. */
export type HealthSignal =
  /** The device or its firmware failed, not a job. */
  | 'fault'
  /** The same, and nobody would let it pass once. */
  | 'grave_fault'
  /** Only a reset of the GT can help, and one was asked for or has to follow. */
  | 'reset_needed'
  | 'reset_started'
  | 'reset_completed'
  | 'reset_failed'
  | 'wedged'
  | 'survivability'
  /** It answers no more on the bus. */
  | 'off_bus'
  /** The driver did not come up on it. */
  | 'not_started';

/** Why a device is in its state. Several reasons can lead to one state, and each has its own remedy. */
export type HealthReason =
  | 'ok'
  | 'resetting'
  | 'faults_repeat'
  | 'reset_stuck'
  | 'reset_failed'
  | 'faults_go_on'
  | 'wedged'
  | 'survivability'
  | 'off_bus'
  | 'not_started'
  | 'unseen';

interface ReasonMeaning {
  readonly state: DeviceHealthState;
  /** The end of a sentence whose subject is the GPU. */
  readonly what: string;
  /** What to do, in one sentence; empty when there is nothing to do. */
  readonly advice: string;
}

/** How long a reset may take until it counts as stuck; it normally takes less than a second. */
export const RESET_SECONDS = 30;

/** What each reason means to people, and the state it belongs to. */
export const HEALTH_REASONS: Readonly<Record<HealthReason, ReasonMeaning>> = {
  ok: { state: 'ok', what: 'is fit for work', advice: '' },
  resetting: {
    state: 'recovering',
    what: 'is being reset by the driver',
    advice: `Wait, because a reset takes seconds; after ${RESET_SECONDS} of them it counts as stuck.`,
  },
  faults_repeat: {
    state: 'faulting',
    what: 'works, but reports faults of its own',
    advice: 'Drain it when you can, save the kernel log, and look for the cause in the first fault.',
  },
  reset_stuck: {
    state: 'unrecovered',
    what: `needs a reset that has not completed for ${RESET_SECONDS} seconds`,
    advice:
      'Move the jobs away, save the kernel log, then power-cycle the node; do not unbind the driver, because that hangs while a reset is stuck.',
  },
  reset_failed: {
    state: 'unrecovered',
    what: 'could not be reset by the driver',
    advice:
      'Move the jobs away, save the kernel log, then unbind the xe driver from this GPU and bind it again; reboot the node if that hangs.',
  },
  faults_go_on: {
    state: 'unrecovered',
    what: 'was reset, but its faults go on',
    advice:
      'Stop the jobs on it, then unbind the xe driver from this GPU and bind it again; reboot the node only if the unbind hangs or other GPUs do the same.',
  },
  wedged: {
    state: 'wedged',
    what: 'is wedged and rejects all work',
    advice:
      'Move the jobs away, save the kernel log and the coredump, then unbind the xe driver from this GPU and bind it again.',
  },
  survivability: {
    state: 'survivability',
    what: 'runs no work because its firmware is corrupt',
    advice: "Flash its firmware with the vendor's tool.",
  },
  off_bus: {
    state: 'lost',
    what: 'does not answer on the PCIe bus',
    advice:
      'Move the jobs away and power-cycle the node; if the GPU stays away, check its power, its slot and the card.',
  },
  not_started: {
    state: 'lost',
    what: 'is not there for jobs, because the xe driver did not start on it',
    advice: 'Look at the first error of this GPU in the kernel log, repair that, and bind the driver again or reboot.',
  },
  unseen: {
    state: 'unknown',
    what: 'cannot be judged, because no event source works that could tell',
    advice: 'Run “xe-exporter doctor” on the node, which says what the event sources need.',
  },
};

/** Whether a GPU is fit for work. */
export type Verdict = 'fit' | 'unfit' | 'unknown';

/** A GPU that reports faults still works: its alert asks for a look, not for an empty node. One that is being reset is asked again. */
const VERDICTS: Readonly<Record<DeviceHealthState, Verdict>> = {
  ok: 'fit',
  faulting: 'fit',
  recovering: 'unknown',
  unknown: 'unknown',
  unrecovered: 'unfit',
  wedged: 'unfit',
  survivability: 'unfit',
  lost: 'unfit',
};

export function verdictOf({ state }: { readonly state: DeviceHealthState }): Verdict {
  return VERDICTS[state];
}

/** What began the trouble of a device. */
export interface HealthCause {
  /** Name of the event, such as `xe.gt.reset`. */
  readonly event: string;
  /** Its `xe.event.id`; null when it happened before this exporter started. */
  readonly id: string | null;
  /** When it happened: ISO 8601, UTC. */
  readonly time: string;
  /** The sentence of its log event. */
  readonly body: string;
}

/** Whether a GPU is fit for work, since when, because of what, and what to do about it. Immutable. */
export interface DeviceHealth {
  readonly pciBdf: string;
  readonly state: DeviceHealthState;
  readonly reason: HealthReason;
  /** When it came into this state: milliseconds since the epoch. */
  readonly sinceMs: number;
  /** What began it; undefined while the device is fit, or when nothing reported it. */
  readonly cause: HealthCause | undefined;
  /** Empty when there is nothing to do. */
  readonly advice: string;
}

/** The document of GET /devices. */
export function devicesDocument(devices: readonly DeviceHealth[]): string {
  const shown = devices.map(({ pciBdf, state, sinceMs, cause, advice }) => ({
    pci_bdf: pciBdf,
    state,
    since: new Date(sinceMs).toISOString(),
    cause: cause ?? null,
    advice,
  }));
  return `${JSON.stringify({ devices: shown })}\n`;
}
