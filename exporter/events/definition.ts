import type { EventCounter, EventDefinition } from './device-event.js';

/** What a definition may leave out. */
type Optional = Exclude<keyof EventDefinition, 'name' | 'summary' | 'severity' | 'body' | 'counter'>;

/**
 * An event definition with the defaults of most events: logged, of no client, merged with nothing, counted nowhere. An event's `details`
 * become attributes without being named here. Keeps the literal types of the names, from which EVENT and EVENT_METRIC are made.
 */
export function define<const Name extends string, const Counter extends EventCounter | undefined = undefined>(
  given: Pick<EventDefinition, 'summary' | 'severity' | 'body'> &
    Partial<Pick<EventDefinition, Optional>> & { readonly name: Name; readonly counter?: Counter },
): EventDefinition & { readonly name: Name; readonly counter: Counter } {
  // Written out, so that all definitions have one shape: the hot path reads them.
  return {
    name: given.name,
    summary: given.summary,
    wire: given.wire,
    kernelLog: given.kernelLog,
    uevent: given.uevent,
    trace: given.trace,
    merging: given.merging,
    endsIncidents: given.endsIncidents ?? false,
    logged: given.logged ?? true,
    ofClient: given.ofClient ?? false,
    fault: given.fault,
    ofVm: given.ofVm ?? false,
    counter: given.counter as Counter,
    rank: given.rank,
    health: given.health,
    wantsMemory: given.wantsMemory ?? (() => false),
    severity: given.severity,
    isFinal: given.isFinal ?? (() => false),
    errorType: given.errorType ?? (() => undefined),
    body: given.body,
    attributes: given.attributes ?? (() => ({})),
  };
}
