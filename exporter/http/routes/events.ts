import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { EventFeed } from '../../events/event-feed.js';
import { PATH } from '../../names.js';
import type { Connections } from '../connections.js';
import type { DocumentQueue } from '../document-queue.js';
import { eventDocument } from '../events/document.js';
import { LastDocument } from '../events/last-document.js';
import { parseEventQuery } from '../events/query.js';
import { resumePoint } from '../events/resume.js';
import { Subscribers, type StreamAccounting, type StreamLimits } from '../events/subscribers.js';
import type { ResponseDeadline } from '../response-deadline.js';
import type { WebGuard } from '../../web-config/guard.js';
import { documentRoute } from './document.js';

export interface EventsOptions {
  readonly feed: EventFeed;
  readonly accounting: StreamAccounting;
  readonly limits: Partial<StreamLimits> & Pick<StreamLimits, 'subscribers'>;
}

interface EventsParts {
  readonly queue: DocumentQueue;
  readonly deadline: ResponseDeadline;
  readonly connections: Connections;
  readonly guard?: WebGuard | undefined;
}

const HEARTBEAT_MS = 15_000;
const STALL_MS = 30_000;

/** How long one that found no place should wait. */
const RETRY_AFTER_SECONDS = 30;

/**
 * GET /events: log events as they happen, as server-sent events, or the last ones as one JSON document (`format=json`). A reader
 * that comes back with the id of the last event it had gets what it missed, as far as that is kept, and is told what is not.
 */
export function eventsRoute(
  app: FastifyInstance,
  options: EventsOptions | undefined,
  { deadline, connections, queue, guard }: EventsParts,
): void {
  if (options === undefined) {
    documentRoute(app, PATH.events, queue, (_request, reply) =>
      reply.code(404).send('Events are switched off here: start the exporter with --events-http.\n'),
    );
    return;
  }
  const { feed, accounting } = options;
  const limits = { heartbeatMs: HEARTBEAT_MS, stallMs: STALL_MS, ...options.limits };
  const subscribers = new Subscribers(feed, limits, accounting);
  const documents = new LastDocument();

  documentRoute(app, PATH.events, queue, (request, reply) => {
    const query = parseEventQuery(request.query as Readonly<Record<string, string | string[]>>);
    if ('problem' in query) return reply.code(400).send(`${query.problem}\n`);
    if (query.format === 'json') {
      reply.type('application/json; charset=utf-8');
      return {
        key: request.url,
        make: () => ({
          body: documents.share(`${feed.newest} ${request.url}`, () => Buffer.from(eventDocument(feed, query))),
        }),
      };
    }
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
    const isAdmitted = (): boolean => guard?.isStillAdmitted(request.raw) ?? true;
    subscribers.add(reply.raw, { filter: query.filter, from, isAdmitted });
    return reply;
  });
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
