import type { KernelEvent } from '../telemetry/names.js';
import type { EventDefinition } from './device-event.js';
import { deviceBound, deviceUnbound } from './device-bound.js';
import { deviceCoredump } from './device-coredump.js';
import { deviceSurvivabilityMode } from './device-survivability-mode.js';
import { deviceWedged } from './device-wedged.js';
import { engineReset } from './engine-reset.js';
import { eventsLost } from './events-lost.js';
import { gtReset } from './gt-reset.js';
import { gucLoadFailure } from './guc-load-failure.js';
import { hardwareError } from './hardware-error.js';
import { jobTimeout } from './job-timeout.js';
import { kernelLogError } from './kernel-log-error.js';
import { memoryCatError } from './memory-cat-error.js';
import { pageFault } from './page-fault.js';
import { sourceChanged } from './source-changed.js';
import { ttmOutOfMemory } from './ttm-out-of-memory.js';
import { vmRebindError } from './vm-rebind-error.js';
import { vmRebindOutcome } from './vm-rebind-outcome.js';
import { watchRemoved } from './watch-removed.js';

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
