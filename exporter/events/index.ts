import type { KernelEvent } from '../telemetry/names.js';
import type { EventDefinition } from './device-event.js';
import { eventsLost } from './events-lost.js';
import { vmRebindError } from './vm-rebind-error.js';
import { vmRebindOutcome } from './vm-rebind-outcome.js';
import { watchRemoved } from './watch-removed.js';

/** THE LIST: a new event type is one file beside this one and one line here. */
export const eventDefinitions: readonly EventDefinition[] = [vmRebindError, vmRebindOutcome, eventsLost, watchRemoved];

/** The definitions a configuration asks for: those named, all for an empty list, nothing for `none`. */
export function wantedEvents(names: readonly (KernelEvent | 'none')[]): readonly EventDefinition[] {
  return names.length === 0
    ? eventDefinitions
    : eventDefinitions.filter(({ name }) => names.some((wanted) => wanted === name));
}
