import { parseChoice, parseInteger, parsePciAddress, parseErrno, type Parser } from '../../config/parsers.js';
import { errnoNumber } from '../../wire/errno.js';
import { GAP, type FeedEvent } from '../../events/event-feed.js';
import { EVENT } from '../../events/index.js';

/** What a reader asks of /events. */
export interface EventQuery {
  readonly filter: EventFilter;
  readonly format: 'sse' | 'json';
  /** How many of the newest events a JSON document has. */
  readonly limit: number | undefined;
  readonly lastEventId: string | undefined;
}

/** Which events a reader wants: one of the values of each parameter that was given. */
export interface EventFilter {
  passes(event: FeedEvent): boolean;
}

type Facet = 'device' | 'errno' | 'namespace' | 'pod' | 'event';
/** As fastify parses it: a repeated parameter is a list. */
type RawQuery = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Names of Kubernetes objects: RFC 1123, subdomains for pods. */
const parseObjectName: Parser<string> = (text) =>
  text.length <= 253 && /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(text)
    ? { value: text }
    : { problem: 'must be a name as "kubectl get" shows it' };

/** An errno of every name that an event can show, too. */
const parseAnyErrno: Parser<number> = (text) => {
  const value = errnoNumber(text.toUpperCase());
  return value === undefined ? parseErrno(text) : { value };
};

const FACETS: Readonly<Record<Facet, Parser<string | number>>> = {
  device: parsePciAddress,
  errno: parseAnyErrno,
  namespace: parseObjectName,
  pod: parseObjectName,
  event: parseChoice(Object.values(EVENT)),
};
const parseFormat = parseChoice(['sse', 'json']);
const parseLimit = parseInteger(1, 65_536);
/** Whatever it says, it names no event of ours, and the answer says so. */
const parseLastEventId: Parser<string> = (text) =>
  text.length <= 100 ? { value: text } : { problem: 'must be the id of an event, or 0 for all that are kept' };

const PARAMETERS = [...Object.keys(FACETS), 'format', 'limit', 'last_event_id'];

/**
 * Reads the query of /events.
 *
 * @returns the first thing that is wrong, as a sentence without a value of the reader's in it, or the query.
 */
export function parseEventQuery(raw: RawQuery): EventQuery | { readonly problem: string } {
  if (Object.keys(raw).some((name) => !PARAMETERS.includes(name))) {
    return { problem: `Unknown parameter. There is ${PARAMETERS.join(', ')}.` };
  }
  const problems: string[] = [];

  function all<T>(name: string, parse: Parser<T>): T[] {
    const texts = [raw[name] ?? []].flat();
    return texts.flatMap((text) => {
      const parsed = parse(text);
      if ('value' in parsed) return [parsed.value];
      problems.push(`${name} ${parsed.problem}.`);
      return [];
    });
  }
  function one<T>(name: string, parse: Parser<T>): T | undefined {
    if (Array.isArray(raw[name])) problems.push(`${name} must not be given twice.`);
    return all(name, parse)[0];
  }

  const wanted = (Object.entries(FACETS) as [Facet, Parser<string | number>][]).map(
    ([facet, parse]) => [facet, new Set(all(facet, parse))] as const,
  );
  const query = {
    filter: eventFilter(new Map(wanted.filter(([, values]) => values.size > 0))),
    format: one('format', parseFormat) ?? 'sse',
    limit: one('limit', parseLimit),
    lastEventId: one('last_event_id', parseLastEventId),
  };
  if (query.limit !== undefined && query.format !== 'json') problems.push('limit needs format=json.');
  return problems[0] === undefined ? query : { problem: problems[0] };
}

function eventFilter(wanted: ReadonlyMap<Facet, ReadonlySet<string | number>>): EventFilter {
  const names = wanted.get('event');
  const facets = [...wanted].filter(([facet]) => facet !== 'event') as [
    Exclude<Facet, 'event'>,
    ReadonlySet<unknown>,
  ][];
  return {
    passes(event) {
      if (event.name === GAP) return true;
      if (names && !names.has(event.name)) return false;
      // A loss can hide an event of any device or pod.
      return event.name === EVENT.eventsLost || facets.every(([facet, values]) => values.has(event[facet]));
    },
  };
}
