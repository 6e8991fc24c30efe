import type { EventFeed, Gap } from '../../events/event-feed.js';

/** Where a reader continues. */
export interface ResumePoint {
  /** Number of the last event it does not want any more. */
  readonly after: number;
  /** The gap to report first. */
  readonly gap: Gap | undefined;
}

/** What a reader asks for to get everything that is kept. */
const EVERYTHING = '0';

/** Id of an event on the wire: `<instance>-<number>`. */
export function eventId({ instance }: Pick<EventFeed, 'instance'>, number: number): string {
  return `${instance}-${number}`;
}

/** Finds where a reader with this last event id goes on; without one, with what happens from now on. Total. */
export function resumePoint(feed: EventFeed, lastEventId: string | undefined): ResumePoint {
  const { oldest, newest } = feed;
  if (lastEventId === undefined) return { after: newest, gap: undefined };
  if (lastEventId === EVERYTHING) return { after: oldest - 1, gap: undefined };
  const [instance, digits = ''] = lastEventId.split('-', 2);
  const number = instance === feed.instance && /^\d{1,15}$/.test(digits) ? Number(digits) : Infinity;
  // A number of this start that was not given out yet is as foreign as one of another start.
  if (number > newest) return { after: oldest - 1, gap: { reason: 'other_start', missed: null } };
  return overwrittenSince(feed, number);
}

/** Where a reader that has everything up to `after` goes on now. */
export function overwrittenSince({ oldest }: Pick<EventFeed, 'oldest'>, after: number): ResumePoint {
  if (after + 1 >= oldest) return { after, gap: undefined };
  return { after: oldest - 1, gap: { reason: 'overwritten', missed: oldest - 1 - after } };
}
