import type { KernelEvent } from '../names.js';
import type { EventDefinition } from './device-event.js';
import { deviceBound, deviceUnbound } from './definitions/device-bound.js';
import { deviceCoredump } from './definitions/device-coredump.js';
import { deviceSurvivabilityMode } from './definitions/device-survivability-mode.js';
import { deviceWedged } from './definitions/device-wedged.js';
import { engineReset } from './definitions/engine-reset.js';
import { eventsLost } from './definitions/events-lost.js';
import { gtReset } from './definitions/gt-reset.js';
import { gucLoadFailure } from './definitions/guc-load-failure.js';
import { hardwareError } from './definitions/hardware-error.js';
import { jobTimeout } from './definitions/job-timeout.js';
import { kernelLogError } from './definitions/kernel-log-error.js';
import { memoryCatError } from './definitions/memory-cat-error.js';
import { pageFault } from './definitions/page-fault.js';
import { sourceChanged } from './definitions/source-changed.js';
import { ttmOutOfMemory } from './definitions/ttm-out-of-memory.js';
import { vmRebindError } from './definitions/vm-rebind-error.js';
import { vmRebindOutcome } from './definitions/vm-rebind-outcome.js';
import { watchRemoved } from './definitions/watch-removed.js';

/** THE LIST: a new event type is one file beside this one and one line here. */
export const eventDefinitions: readonly EventDefinition[] = [
  vmRebindError,
  vmRebindOutcome,
  deviceWedged,
  deviceCoredump,
  deviceSurvivabilityMode,
  deviceBound,
  deviceUnbound,
  jobTimeout,
  engineReset,
  gtReset,
  pageFault,
  memoryCatError,
  gucLoadFailure,
  hardwareError,
  ttmOutOfMemory,
  kernelLogError,
  sourceChanged,
  eventsLost,
  watchRemoved,
];

/** The definitions a configuration asks for: those named, all for an empty list, nothing for `none`. */
export function wantedEvents(names: readonly (KernelEvent | 'none')[]): readonly EventDefinition[] {
  return names.length === 0
    ? eventDefinitions
    : eventDefinitions.filter(({ name }) => names.some((wanted) => wanted === name));
}
