import { HEADER_BYTES, META_SUBTYPE, WATCH_TYPE } from '../../wire/watch-notification.js';
import { define } from '../definition.js';

/** A watched client is gone: the last record with its watch id. Bookkeeping, not an event to log. */
export const watchRemoved = define({
  name: 'xe.exporter.watch_removed',
  summary: 'a watched client closed its file; counted, not logged',
  wire: { type: WATCH_TYPE.META, subtype: META_SUBTYPE.REMOVAL, minLength: HEADER_BYTES },
  logged: false,
  severity: () => 9,
  body: () => 'A watched GPU client closed its file.',
});
