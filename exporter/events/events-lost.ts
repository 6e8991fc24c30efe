import { EVENT } from '../telemetry/names.js';
import { HEADER_BYTES, META_SUBTYPE, WATCH_TYPE } from '../wire/watch-notification.js';
import type { EventDefinition } from './device-event.js';

/**
 * The kernel's notice that a pipe's ring was full and records were thrown away. It belongs to the pipe, not to a watch, and
 * carries no number (fs/pipe.c, Linux 7.2).
 */
export const eventsLost: EventDefinition = {
  name: EVENT.eventsLost,
  wire: { type: WATCH_TYPE.META, subtype: META_SUBTYPE.LOSS, minLength: HEADER_BYTES },
  logged: true,
  ofClient: false,
  counts: 'loss',
  severity: () => 13,
  isFinal: () => false,
  errorType: (event) => event.source,
  body: () =>
    'The kernel discarded GPU events because its ring of 512 records was full: counts since the last event are a lower bound.',
  attributes: () => ({}),
};
