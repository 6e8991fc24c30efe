import type { EventFeed, FeedEvent } from '../../events/event-feed.js';
import { ATTRIBUTE } from '../../names.js';
import { eventId } from '../events/resume.js';
import { ageText } from './browser/age.js';
import { eventEntry, repeatText, type EventEntry, type EventRecord } from './browser/event-entry.js';
import { markup, type Markup } from './markup.js';

interface ParsedEvent extends EventEntry {
  readonly timestamp: string;
  readonly body: string;
}

/** An event and those before it that said the same. */
interface Repeated {
  readonly number: number;
  readonly newest: ParsedEvent;
  count: number;
  first: string;
}

/** Each event of a feed is read once, however often the page is asked for. */
const parsed = new WeakMap<FeedEvent, ParsedEvent>();

/** The newest entries of the list, where repeats are one entry. Those of later events are made in browser/live-page.ts. */
export function eventItems(feed: EventFeed, most: number, now: Date): readonly Markup[] {
  const entries = new Map<string, Repeated>();
  for (let number = feed.newest; number >= feed.oldest; number--) {
    const event = feed.at(number);
    if (event === undefined) continue;
    const entry = entryOf(event);
    const newer = entries.get(entry.key);
    if (newer) Object.assign(newer, { count: newer.count + 1, first: entry.timestamp });
    else if (entries.size < most) entries.set(entry.key, { number, newest: entry, count: 1, first: entry.timestamp });
  }
  return [...entries.values()].map((repeated) => eventItem(eventId(feed, repeated.number), repeated, now));
}

function entryOf(event: FeedEvent): ParsedEvent {
  const known = parsed.get(event);
  if (known) return known;
  const record = JSON.parse(event.json) as EventRecord;
  const entry = { ...eventEntry(record, ATTRIBUTE), timestamp: record.timestamp, body: record.body };
  parsed.set(event, entry);
  return entry;
}

function eventItem(id: string, { newest, count, first }: Repeated, now: Date): Markup {
  const { level, time, badge, facts, key, timestamp, body } = newest;
  const age = ageText((now.getTime() - Date.parse(timestamp)) / 1000);
  return markup`<li data-id="${id}" data-level="${level}" data-key="${key}" data-count="${count}" data-first="${first}">
<time datetime="${timestamp}">${time}</time> <span class="age">${age}</span> <b class="badge">${badge}</b> <span class="repeats">${repeatText(count, first)}</span> <span class="facts">${facts}</span>
<p>${body}</p></li>`;
}
