import { EVENT } from '../../events/index.js';
import { ATTRIBUTE, PATH } from '../../names.js';
import { ageText } from './browser/age.js';
import { eventEntry, repeatText } from './browser/event-entry.js';
import { livePage, type LivePageSettings } from './browser/live-page.js';

/** Entries of the list of events, in the page as served and later. */
export const SHOWN_EVENTS = 50;

const SETTINGS: LivePageSettings = {
  events: PATH.events.slice(1),
  eventNames: Object.values(EVENT),
  attributes: ATTRIBUTE,
  shownEvents: SHOWN_EVENTS,
};

/**
 * The script of the status page; the Content-Security-Policy names it by its hash. It calls {@link livePage} and is made of the
 * compiled text of the functions in browser/, so those must not use anything declared outside them.
 */
export const SCRIPT = `
'use strict';
(${livePage})(${JSON.stringify(SETTINGS)}, { entryOf: ${eventEntry}, repeatOf: ${repeatText}, ageOf: ${ageText} });
`;
