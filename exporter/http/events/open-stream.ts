import type { FastifyReply, FastifyRequest } from 'fastify';
import type { EventFeed } from '../../events/event-feed.js';
import type { Connections } from '../connections.js';
import type { ResponseDeadline } from '../response-deadline.js';
import type { EventQuery } from './query.js';
import { resumePoint } from './resume.js';
import type { Subscribers } from './subscribers.js';

export const HEARTBEAT_MS = 15_000;
export const STALL_MS = 30_000;

/** How long a client that was turned away should wait. */
const RETRY_AFTER_SECONDS = 30;

export interface StreamParts {
  readonly feed: EventFeed;
  /** Those of the feed. */
  readonly subscribers: Subscribers;
  readonly query: Pick<EventQuery, 'filter' | 'lastEventId'>;
  readonly deadline: ResponseDeadline;
  readonly connections: Connections;
  readonly isAdmitted: () => boolean;
}

/** Answers with server-sent events from where the reader left off, or says why not. */
export function openStream(request: FastifyRequest, reply: FastifyReply, parts: StreamParts): FastifyReply {
  const { feed, subscribers, query, deadline, connections, isAdmitted } = parts;
  reply.type('text/event-stream; charset=utf-8').header('X-Accel-Buffering', 'no');
  if (request.method === 'HEAD') return reply.send();
  const refusal = subscribers.refusal();
  if (refusal !== undefined) return turnAway(reply, refusal);
  if (!connections.release(reply.raw)) return turnAway(reply, 'An event stream needs a connection of its own.');
  // The header is what a client sends by itself when it comes back; the parameter is still the one it began with.
  const from = resumePoint(feed, lastEventIdOf(request) ?? query.lastEventId);
  reply.hijack();
  deadline.lift(reply.raw);
  // Nothing follows on this connection: it is no longer among those that are counted.
  reply.header('Connection', 'close');
  reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>);
  subscribers.add(reply.raw, { filter: query.filter, from, isAdmitted });
  return reply;
}

function turnAway(reply: FastifyReply, line: string): FastifyReply {
  return reply
    .code(503)
    .type('text/plain; charset=utf-8')
    .header('Retry-After', String(RETRY_AFTER_SECONDS))
    .send(`${line}\n`);
}

function lastEventIdOf({ headers }: FastifyRequest): string | undefined {
  const value = headers['last-event-id'];
  return Array.isArray(value) ? value[0] : value;
}
