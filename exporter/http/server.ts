import type { RequestListener, Server } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyServerFactory } from 'fastify';
import type { DeviceHealth } from '../events/device-health.js';
import type { Logger } from '../logger.js';
import { PATH } from '../names.js';
import { createServer } from '../node-http.js';
import type { ExpositionRegistry } from '../metrics/engine/prom-client-adapter.js';
import { answerNonsense } from './client-error.js';
import { Connections, type ConnectionLimits, type Peers } from './connections.js';
import { DocumentQueue } from './document-queue.js';
import { ResponseDeadline } from './response-deadline.js';
import { devicesRoute } from './routes/devices.js';
import { eventsRoute, type EventsOptions } from './routes/events.js';
import { healthRoutes, type Readiness } from './routes/health.js';
import { jobsClientRoute } from './routes/jobs-client.js';
import { metricsRoute } from './routes/metrics.js';
import { statusRoute } from './routes/status.js';
import type { NodeStatus } from './status/node-status.js';
import type { WebGuard } from '../web-config/guard.js';

export interface HttpServerOptions {
  readonly registry: Pick<ExpositionRegistry, 'render'>;
  /** Read at every request; it must not block. */
  readonly readiness: () => Readiness;
  /** What the status page shows; asked at every request of it, and must not block. */
  readonly status: () => Promise<NodeStatus>;
  /** Whether each device is fit for work. */
  readonly devices: () => readonly DeviceHealth[];
  /** undefined switches /events off. */
  readonly events?: EventsOptions | undefined;
  readonly logger: Logger;
  readonly limits?: Partial<HttpLimits>;
  /** TLS and authentication; plain HTTP for everybody when not given. */
  readonly guard?: WebGuard | undefined;
}

/** Bounds on what clients can cost. Times in milliseconds. */
export interface HttpLimits extends ConnectionLimits {
  /** A request has to arrive in full within this time. */
  readonly requestMs: number;
  /** How long a connection may stall during a request. */
  readonly idleMs: number;
  /** How long a client may take to read an answer, even if it keeps reading a byte now and then. */
  readonly responseMs: number;
  /** Idle time between requests: longer than the usual scrape intervals, so that a scraper keeps its connection. */
  readonly keepAliveMs: number;
}

const LIMITS: HttpLimits = {
  requestMs: 5000,
  idleMs: 10_000,
  responseMs: 30_000,
  keepAliveMs: 75_000,
  connections: 128,
  connectionsPerPeer: 64,
  untakenBytes: 32 * 1024 * 1024,
};

const TEXT = 'text/plain; charset=utf-8';

/** The HTTP side of the exporter: not listening yet, so that tests can `inject()`. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { app, deadline, connections } = createApp(options, Object.values(PATH));
  const queue = new DocumentQueue();
  metricsRoute(app, options.registry, queue);
  healthRoutes(app, options.readiness, queue);
  eventsRoute(app, options.events, { deadline, connections, queue, guard: options.guard });
  devicesRoute(app, options.devices, queue);
  jobsClientRoute(app, queue);
  statusRoute(app, { status: options.status, readiness: options.readiness, feed: options.events?.feed, queue });
  return app;
}

/** Health and readiness and nothing else, in plain HTTP for everybody: for probes that have no credentials. */
export function createHealthServer(
  options: Pick<HttpServerOptions, 'readiness' | 'logger' | 'limits'>,
): FastifyInstance {
  const { app } = createApp(options, [PATH.healthz, PATH.readyz]);
  healthRoutes(app, options.readiness, new DocumentQueue());
  return app;
}

export interface AppOptions extends Pick<HttpServerOptions, 'logger' | 'limits' | 'guard'> {
  /** Says who connects, if addresses cannot. */
  readonly peers?: Peers;
}

/** A server without routes, and what they need. */
export interface App {
  readonly app: FastifyInstance;
  readonly deadline: ResponseDeadline;
  readonly connections: Connections;
}

/** A server without routes. @param paths those it will get */
export function createApp(options: AppOptions, paths: readonly string[]): App {
  const limits = { ...LIMITS, ...options.limits };
  const { guard } = options;
  const timeouts = {
    headersTimeout: limits.requestMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
  };
  const connections = new Connections(limits, options.peers);
  // Called once more for a second address of the same name, such as those of "localhost".
  const serverFactory: FastifyServerFactory<Server> = (handle) => {
    const listener: RequestListener = (request, response) => {
      if (connections.admits(request, response)) handle(request, response);
    };
    const server = guard?.hasTls
      ? guard.createServer({ ...timeouts, handshakeTimeout: limits.requestMs }, listener)
      : createServer(timeouts, listener);
    connections.watch(server);
    return server.setTimeout(limits.idleMs);
  };
  const app = Fastify({
    logger: false,
    serverFactory,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    clientErrorHandler: answerNonsense,
    bodyLimit: 1024,
    routerOptions: { maxParamLength: 100 },
    // No route has a schema. Fastify's own compilers would load a JSON schema library for nothing, 2 MiB.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    frameworkErrors: (error, _request, reply) =>
      // Hooks do not run for it.
      void refuse((reply as FastifyReply).header('Connection', 'close'), error.statusCode ?? 400, 'Bad request.'),
  });
  const deadline = new ResponseDeadline(limits.responseMs);

  app.addHook('onRequest', async (request, reply) => {
    reply.header('X-Content-Type-Options', 'nosniff').header('Cache-Control', 'no-store').type(TEXT);
    deadline.start(reply.raw);
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod(reply, request.url, paths);
  });
  guard?.protect(app);
  app.addHook('onSend', async (_request, reply, payload) => {
    if (Buffer.isBuffer(payload)) connections.answers(reply.raw, payload.length);
    // A refused request is no reason to keep the connection.
    if (reply.statusCode >= 400) reply.header('Connection', 'close');
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, `Not found. There is ${paths.join(', ')}.`));
  app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) options.logger.error({ err: error, path: request.routeOptions.url }, 'HTTP request failed');
    return refuse(reply, status, status >= 500 ? 'Internal error; the log of the exporter has more.' : 'Bad request.');
  });
  return { app, deadline, connections };
}

/**
 * Binds the server.
 * @param address an empty host means all interfaces, IPv6 and IPv4; port 0 lets the kernel choose
 * @returns the base URL under which this machine reaches the server
 * @throws Error with the code of the system call, e.g. EADDRINUSE or EACCES
 */
export async function listenHttp(
  app: FastifyInstance,
  address: { readonly host: string; readonly port: number },
): Promise<string> {
  await app.listen({ host: address.host, port: address.port });
  const { address: bound, port } = app.server.address() as AddressInfo;
  const host = bound === '::' || bound === '0.0.0.0' ? 'localhost' : isIPv6(bound) ? `[${bound}]` : bound;
  return `${app.server instanceof TlsServer ? 'https' : 'http'}://${host}:${port}`;
}

function noSchemas(): never {
  throw new Error('a route of the exporter has no schema');
}

/** A request body is never read: the connection ends with the answer. */
function refuseMethod(reply: FastifyReply, url: string, paths: readonly string[]): FastifyReply {
  reply.header('Connection', 'close');
  if (!paths.includes(url.replace(/\?.*$/s, ''))) return refuse(reply, 404, `Not found. There is ${paths.join(', ')}.`);
  return refuse(reply.header('Allow', 'GET, HEAD'), 405, 'Method not allowed. Use GET or HEAD.');
}

function refuse(reply: FastifyReply, status: number, line: string): FastifyReply {
  return reply.code(status).type(TEXT).send(`${line}\n`);
}
