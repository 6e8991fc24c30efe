import type { KernelEvent, SourceName } from '../names.js';
import type { EventCounter, EventDefinition } from './device-event.js';
import { deviceBound, deviceUnbound } from './definitions/device-bound.js';
import { deviceHealthChanged } from './definitions/device-health-changed.js';
import { deviceLost } from './definitions/device-lost.js';
import { deviceProbeFailed } from './definitions/device-probe-failed.js';
import { displayError } from './definitions/display-error.js';
import { firmwareMissing } from './definitions/firmware-missing.js';
import { pciError, pciRecovered } from './definitions/pci-error.js';
import { deviceCoredump } from './definitions/device-coredump.js';
import { deviceCoredumpCopy } from './definitions/device-coredump-copy.js';
import { deviceSurvivabilityMode } from './definitions/device-survivability-mode.js';
import { deviceWedged } from './definitions/device-wedged.js';
import { engineReset } from './definitions/engine-reset.js';
import { eventsLost } from './definitions/events-lost.js';
import { gtReset, gtResetAttempt, gtResetCompleted } from './definitions/gt-reset.js';
import { gucLoadFailure } from './definitions/guc-load-failure.js';
import { hardwareError } from './definitions/hardware-error.js';
import { jobTimeout } from './definitions/job-timeout.js';
import { kernelLogError } from './definitions/kernel-log-error.js';
import { memoryCatError } from './definitions/memory-cat-error.js';
import { pageFault } from './definitions/page-fault.js';
import { sourceChanged } from './definitions/source-changed.js';
import { ttmOutOfMemory } from './definitions/ttm-out-of-memory.js';
import { vmKilled } from './definitions/vm-killed.js';
import { vmRebindError } from './definitions/vm-rebind-error.js';
import { vmRebindOutcome } from './definitions/vm-rebind-outcome.js';
import { watchRemoved } from './definitions/watch-removed.js';

/** THE LIST: a new event is one file in definitions/, and one line here beside its import. */
const DEFINITIONS = {
  vmRebindError,
  vmRebindOutcome,
  vmKilled,
  deviceHealthChanged,
  deviceWedged,
  deviceLost,
  deviceProbeFailed,
  firmwareMissing,
  pciError,
  pciRecovered,
  deviceCoredump,
  deviceCoredumpCopy,
  deviceSurvivabilityMode,
  deviceBound,
  deviceUnbound,
  jobTimeout,
  engineReset,
  gtReset,
  gtResetCompleted,
  gtResetAttempt,
  pageFault,
  memoryCatError,
  gucLoadFailure,
  hardwareError,
  ttmOutOfMemory,
  displayError,
  kernelLogError,
  sourceChanged,
  eventsLost,
  watchRemoved,
};

/** In the order in which documents show them. */
export const eventDefinitions: readonly EventDefinition[] = Object.values(DEFINITIONS);

type Definitions = typeof DEFINITIONS;
type CountedKey = {
  [Key in keyof Definitions]: Definitions[Key]['counter'] extends EventCounter ? Key : never;
}[keyof Definitions];

/** OpenTelemetry log event names, by the definition's name. */
export const EVENT = namesOf<{ readonly [Key in keyof Definitions]: Definitions[Key]['name'] }>(({ name }) => name);
export type EventName = (typeof EVENT)[keyof typeof EVENT];

/** Names of the counters that events move, by the definition's name; those of every other metric are METRIC's. */
export const EVENT_METRIC = namesOf<{
  readonly [Key in CountedKey]: NonNullable<Definitions[Key]['counter']>['name'];
}>(({ counter }) => counter?.name);

function namesOf<Names>(nameOf: (definition: EventDefinition) => string | undefined): Names {
  const names = Object.entries(DEFINITIONS).map(([key, definition]) => [key, nameOf(definition)] as const);
  return Object.fromEntries(names.filter(([, name]) => name !== undefined)) as Names;
}

/** Which part of a definition says how each kind of source reports it. */
const KEY_OF_SOURCE = {
  watch_queue: 'wire',
  simulator: 'wire',
  trace: 'trace',
  kmsg: 'kernelLog',
  uevent: 'uevent',
} as const;

/** Whether a source can deliver the event; every source can lose some. */
export function isReceivedFrom(source: SourceName, definition: EventDefinition): boolean {
  return definition === eventsLost || definition[KEY_OF_SOURCE[source]] !== undefined;
}

/** The definitions a configuration asks for: those named, all for an empty list, nothing for `none`. */
export function wantedEvents(names: readonly (KernelEvent | 'none')[]): readonly EventDefinition[] {
  return names.length === 0
    ? eventDefinitions
    : eventDefinitions.filter(({ name }) => names.some((wanted) => wanted === name));
}
