import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { App } from '../../http/server.js';
import { openStream } from '../../http/events/open-stream.js';
import { parseEventQuery } from '../../http/events/query.js';
import { JOBS_PATH } from '../../names.js';
import type { JobEvents } from '../../sinks/jobs/sink.js';
import type { PeerOf } from '../server.js';
import type { JobStreams } from '../streams.js';

export interface JobEventsParts extends Pick<App, 'deadline' | 'connections'> {
  readonly events: JobEvents;
  readonly streams: JobStreams;
  readonly peerOf: PeerOf;
  readonly streamOpened: (request: FastifyRequest) => void;
}

/** GET /events on the jobs' socket: the stream of the node's /events, with the events of the peer's own workload. */
export function jobEventsRoute(app: FastifyInstance, parts: JobEventsParts): void {
  const { events, streams, peerOf, streamOpened, deadline, connections } = parts;
  app.get(JOBS_PATH.events, (request, reply) => {
    const query = parseEventQuery(request.query as Readonly<Record<string, string | string[]>>);
    if ('problem' in query) return reply.code(400).send(`${query.problem}\n`);
    if (query.format === 'json') return reply.code(400).send('Only the stream is served here: leave format out.\n');
    const { owner } = peerOf(request);
    const refusal = streams.refusal(owner);
    if (refusal !== undefined) return reply.code(503).header('Retry-After', '30').send(`${refusal}\n`);
    const feed = events.feedOf(owner);
    openStream(request, reply, {
      feed,
      subscribers: streams.of(owner, feed),
      query,
      deadline,
      connections,
      // Who a process was when it connected does not change.
      isAdmitted: () => true,
    });
    if (reply.raw.headersSent) streamOpened(request);
    return reply;
  });
}
