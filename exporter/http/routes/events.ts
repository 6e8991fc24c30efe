import type { FastifyInstance } from 'fastify';
import type { EventFeed } from '../../events/event-feed.js';
import { PATH } from '../../names.js';
import type { Connections } from '../connections.js';
import type { DocumentQueue } from '../document-queue.js';
import { eventDocument } from '../events/document.js';
import { LastDocument } from '../events/last-document.js';
import { parseEventQuery } from '../events/query.js';
import { HEARTBEAT_MS, openStream, STALL_MS } from '../events/open-stream.js';
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
  const limits = {
    heartbeatMs: HEARTBEAT_MS,
    stallMs: STALL_MS,
    whenFull: `All ${options.limits.subscribers} event streams are taken: try later, or raise --events-max-subscribers.`,
    ...options.limits,
  };
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
    const isAdmitted = (): boolean => guard?.isStillAdmitted(request.raw) ?? true;
    return openStream(request, reply, { feed, subscribers, query, deadline, connections, isAdmitted });
  });
}
