import { ATTRIBUTE } from '../../names.js';
import { eventEntry, type EventRecord } from './browser/event-entry.js';
import { markup, type Markup } from './markup.js';

/** One event as an entry of the list. The browser makes the same from an event that comes later, see browser/live-page.ts. */
export function eventItem(id: string, json: string): Markup {
  const record = JSON.parse(json) as EventRecord;
  const { level, time, badge, facts } = eventEntry(record, ATTRIBUTE);
  return markup`<li data-id="${id}" data-level="${level}">
<time datetime="${record.timestamp}">${time}</time> <b class="badge">${badge}</b> <span class="facts">${facts}</span>
<p>${record.body}</p></li>`;
}
