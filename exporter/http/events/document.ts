import type { EventFeed } from '../../events/event-feed.js';
import type { EventQuery } from './query.js';
import { eventId, resumePoint } from './resume.js';

/**
 * The ring as one JSON document, newest event last: each is the object of `--events-stdout` with its `id` before it. `overwritten`
 * is how many events have left the ring since the start; `missed` is there with `last_event_id` and means what a gap event does.
 */
export function eventDocument(feed: EventFeed, { filter, limit = Infinity, lastEventId }: EventQuery): string {
  const { oldest, newest } = feed;
  const from = resumePoint(feed, lastEventId ?? '0');
  const lines: string[] = [];
  for (let number = newest; number > from.after && lines.length < limit; number--) {
    const event = feed.at(number);
    if (event && filter.passes(event)) lines.push(`{"id":"${eventId(feed, number)}",${event.json.slice(1)}`);
  }
  const head = JSON.stringify({
    instance: feed.instance,
    oldest_id: oldest <= newest ? eventId(feed, oldest) : null,
    newest_id: oldest <= newest ? eventId(feed, newest) : null,
    overwritten: oldest - 1,
    ...(lastEventId !== undefined && { missed: from.gap ? from.gap.missed : 0 }),
  });
  return `${head.slice(0, -1)},"events":[${lines.length > 0 ? `\n${lines.reverse().join(',\n')}\n` : ''}]}\n`;
}
