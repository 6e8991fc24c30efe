import { EVENT } from '../../names.js';
import { HEADER_BYTES, META_SUBTYPE, WATCH_TYPE } from '../../wire/watch-notification.js';
import type { EventDefinition } from '../device-event.js';

/** A watched drm file is gone; the last record its watch id will ever carry. Bookkeeping, not news. */
export const watchRemoved: EventDefinition = {
  name: EVENT.watchRemoved,
  summary: 'a watched client closed its file; counted, not logged',
  wire: { type: WATCH_TYPE.META, subtype: META_SUBTYPE.REMOVAL, minLength: HEADER_BYTES },
  logged: false,
  ofClient: false,
  counts: 'none',
  severity: () => 9,
  isFinal: () => false,
  errorType: () => undefined,
  body: () => 'A watched GPU client closed its file.',
  attributes: () => ({}),
};
