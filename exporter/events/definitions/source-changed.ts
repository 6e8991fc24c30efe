import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';

/** A source of events went down, came up again or was replaced by a lesser one; what happened meanwhile was not seen. */
export const sourceChanged = define({
  name: 'xe.exporter.source_changed',
  summary: 'a source of events went down or came up again',
  severity: ({ details }) => (details?.[ATTRIBUTE.sourceState] === 'up' ? 9 : 13),
  body: ({ source, details }) =>
    details?.[ATTRIBUTE.sourceState] === 'up'
      ? `The event source ${source} is up again.`
      : `The event source ${source} does not deliver, so what happens on the GPUs may go unseen: see the log of the exporter.`,
});
