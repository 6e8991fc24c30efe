import type { FastifyInstance } from 'fastify';
import type { Workload } from '../../clients/client.js';
import { JOBS_PATH, JOBS_SCHEMA } from '../../names.js';
import { workloadAttributes } from '../../pipeline/log/log-record.js';
import type { JobEvents } from '../../sinks/jobs/sink.js';
import type { LastEvent } from '../../sinks/jobs/last-events.js';
import type { PeerOf } from '../server.js';

/** GET /last: what can have ended a run of the peer's workload last. */
export function lastRoute(app: FastifyInstance, events: Pick<JobEvents, 'lastOf'>, peerOf: PeerOf): void {
  app.get(JOBS_PATH.last, (request, reply) => {
    const { owner, workload } = peerOf(request);
    const named = workload();
    return reply.type('application/json; charset=utf-8').send(lastDocument(named, events.lastOf(owner, named)));
  });
}

/** The record goes in as it is. */
function lastDocument(workload: Workload | undefined, last: LastEvent | undefined): string {
  const head = JSON.stringify({ schema: JOBS_SCHEMA, workload: workload ? workloadAttributes(workload) : {} }).slice(
    0,
    -1,
  );
  if (last === undefined) return `${head},"last":null}\n`;
  const time = new Date(last.timeMs).toISOString();
  return `${head},"last":{"reason":"${last.reason}","event":${last.json},"time":"${time}"}}\n`;
}
