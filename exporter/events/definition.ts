import type { EventDefinition } from './device-event.js';

type Defaults = 'wire' | 'logged' | 'ofClient' | 'isFinal' | 'errorType' | 'attributes';

/** A definition with what most events have in common; `details` of the event become attributes without being named here. */
export function define(
  given: Omit<EventDefinition, Defaults> & Partial<Pick<EventDefinition, Defaults>>,
): EventDefinition {
  return {
    wire: undefined,
    logged: true,
    ofClient: false,
    isFinal: () => false,
    errorType: () => undefined,
    attributes: () => ({}),
    ...given,
  };
}
