import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';

/** An event source went down or came back up; events in between were missed. */
export const sourceChanged = define({
  name: 'xe.exporter.source_changed',
  summary: 'an event source went down or came back up',
  severity: ({ details }) => (details?.[ATTRIBUTE.sourceState] === 'up' ? 9 : 13),
  body: ({ source, details }) =>
    details?.[ATTRIBUTE.sourceState] === 'up'
      ? `Event source ${source} is back up.`
      : `Event source ${source} is down, so GPU events may be missed: see the exporter's own log.`,
});
