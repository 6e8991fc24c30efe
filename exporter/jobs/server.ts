import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { explain } from '../errors.js';
import type { DeviceHealth } from '../events/device-health.js';
import type { StreamAccounting } from '../http/events/subscribers.js';
import { principalOf } from '../host/cgroup-owner.js';
import { createApp, type HttpLimits } from '../http/server.js';
import type { Logger } from '../logger.js';
import type { PeerConnection } from '../native/binding.js';
import { JOBS_PATH, JOBS_SCHEMA, type JobRequestResult } from '../names.js';
import type { JobEvents } from '../sinks/jobs/sink.js';
import { KeyedPace } from '../time/keyed-pace.js';
import { identifyPeer, type Peer, type WorkloadOf } from './peer.js';
import { jobDevicesRoute } from './routes/devices.js';
import { jobEventsRoute } from './routes/events.js';
import { lastRoute } from './routes/last.js';
import { JobStreams, type JobStreamLimits } from './streams.js';

/** New connections of one principal, or of all who are nobody: what a job that starts over and over needs, and no more. */
const CONNECTIONS = { burst: 64, intervalMs: 100 } as const;

export interface JobsServerOptions {
  readonly events: JobEvents;
  readonly accounting: StreamAccounting & { requests(result: JobRequestResult): void };
  readonly health: () => readonly DeviceHealth[];
  readonly workloadOf: WorkloadOf;
  readonly logger: Logger;
  readonly limits?: Partial<HttpLimits>;
  readonly streamLimits?: Partial<JobStreamLimits>;
}

/** Whose a request is: a workload that is known. */
export type PeerOf = (request: FastifyRequest) => Peer;

export interface JobsServer {
  /** Takes a connection, or says that it is one too many of its peer. @param open makes the socket; not called in that case */
  take(open: () => Socket, connection: PeerConnection): boolean;
  close(): Promise<void>;
}

/**
 * Connections that wait for an answer, of all workloads and of each principal: as many as it may open at once. A request has to be here
 * this long after its connection.
 */
const LIMITS = { connections: 256, connectionsPerPeer: 64, requestMs: 5000 } as const;

interface Connection {
  readonly key: string;
  readonly peer: Peer;
  readonly deadline: NodeJS.Timeout;
  /** Its one result. */
  isCounted: boolean;
}

/** HTTP for jobs: one request a connection, and whose it is the kernel has said. */
export async function createJobsServer(options: JobsServerOptions): Promise<JobsServer> {
  const { accounting, events, logger } = options;
  const limits = { ...LIMITS, ...options.limits };
  const sockets = new Map<Socket, Connection>();
  const pace = new KeyedPace(CONNECTIONS);
  let connections = 0;

  function count(socket: Socket, result: JobRequestResult): void {
    const connection = sockets.get(socket);
    if (connection?.isCounted === false) accounting.requests(result);
    if (connection) connection.isCounted = true;
  }

  const parts = createApp(
    {
      logger,
      limits,
      peers: {
        keyOf: (socket) => sockets.get(socket)?.key,
        networkOf: (socket) => principalOf(sockets.get(socket)?.peer.owner ?? ''),
        // There is no reset of a unix socket.
        cut: (socket) => void socket.destroy(),
      },
    },
    Object.values(JOBS_PATH),
  );
  const { app } = parts;
  app.addHook('onRequest', async (request, reply) => {
    const known = sockets.get(request.raw.socket);
    clearTimeout(known?.deadline);
    reply.header('Connection', 'close').header('Xe-Exporter-Schema', String(JOBS_SCHEMA));
    // Gone while its request was on the way.
    if (known === undefined) return reply.code(400).send();
    const { problem } = known.peer;
    if (problem) return reply.code(403).send(`${explain(problem)}\n`);
    return undefined;
  });
  app.addHook('onSend', async (request, { statusCode }) => {
    count(request.raw.socket, resultOf(statusCode));
  });
  const peerOf: PeerOf = (request) => sockets.get(request.raw.socket)!.peer;
  lastRoute(app, events, peerOf);
  jobDevicesRoute(app, { events, health: options.health, peerOf });
  jobEventsRoute(app, {
    ...parts,
    events,
    streams: new JobStreams(accounting, options.streamLimits),
    peerOf,
    streamOpened: ({ raw }) => count(raw.socket, 'answered'),
  });
  await app.ready();

  return {
    take(open, connection) {
      const peer = identifyPeer(connection, options.workloadOf);
      if (!pace.admits(principalOf(peer.owner), performance.now())) {
        accounting.requests('refused');
        return false;
      }
      const socket = open();
      const deadline = setTimeout(() => socket.destroy(), limits.requestMs).unref();
      sockets.set(socket, { key: String(++connections), peer, deadline, isCounted: false });
      socket.once('close', () => {
        clearTimeout(deadline);
        // Cut, too late, or no HTTP, unless the peer itself has gone.
        if (!socket.readableEnded && socket.errored === null) count(socket, 'refused');
        sockets.delete(socket);
      });
      app.server.emit('connection', socket);
      return true;
    },
    async close() {
      await app.close();
      for (const socket of sockets.keys()) socket.destroy();
    },
  };
}

function resultOf(status: number): JobRequestResult {
  if (status < 400) return 'answered';
  return status === 403 ? 'unidentified' : 'refused';
}
