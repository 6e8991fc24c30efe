import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/schema.js';
import { codedError, type CodedError } from '../errors.js';
import type { EventFeed } from '../events/event-feed.js';
import type { EventsOptions } from '../http/routes/events.js';
import type { Readiness } from '../http/routes/health.js';
import { createHealthServer, createHttpServer, listenHttp, type HttpServerOptions } from '../http/server.js';
import type { Logger } from '../logger.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { WebGuard } from '../web-config/guard.js';

/** Loaded here, so that an exporter without protection does not pay for YAML and bcrypt. */
export async function openGuard(path: string, logger: Logger): Promise<WebGuard> {
  const { WebGuard } = await import('../web-config/guard.js');
  return new WebGuard(path, logger);
}

/**
 * Starts the HTTP server of `--listen-address`.
 * @throws CodedError when the address cannot be had
 */
export async function serveHttp(
  options: HttpServerOptions,
  address: Config['listenAddress'],
): Promise<{ server: FastifyInstance; url: string }> {
  const server = createHttpServer(options);
  const url = await listenHttp(server, address).catch((error: unknown) => {
    throw listenError(error, address, '--listen-address');
  });
  return { server, url };
}

/**
 * Starts the server of `--health-address`, where one is given.
 * @throws CodedError when the address cannot be had
 */
export async function serveHealth(
  address: Config['healthAddress'],
  readiness: () => Readiness,
  logger: Logger,
): Promise<FastifyInstance | undefined> {
  if (address === undefined) return undefined;
  const server = createHealthServer({ readiness, logger });
  const url = await listenHttp(server, address).catch((error: unknown) => {
    throw listenError(error, address, '--health-address');
  });
  logger.info({ url }, 'health and readiness are served without authentication');
  return server;
}

/** What GET /events serves and counts. */
export function eventStreams(feed: EventFeed, config: Config, metrics: ExporterMetrics): EventsOptions {
  return {
    feed,
    limits: { subscribers: config.eventsMaxSubscribers },
    accounting: {
      subscribers: (count) => metrics.streamSubscribers.cell().set(count),
      dropped: (reason) => metrics.streamSubscribersDropped.cell(reason).inc(),
      missed: (count) => metrics.streamEventsMissed.cell().inc(count),
    },
  };
}

function listenError(
  error: unknown,
  { host, port }: { host: string; port: number },
  flag: '--listen-address' | '--health-address',
): CodedError | Error {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const cause = error as NodeJS.ErrnoException;
  switch (cause.code) {
    case 'EADDRINUSE':
      return codedError('XEE_PORT_IN_USE', { address, flag }, { cause });
    case 'EADDRNOTAVAIL':
    // An IPv6 zone that does not exist.
    case 'EINVAL':
    case 'ENOTFOUND':
      return codedError('XEE_ADDRESS_NOT_AVAILABLE', { address, errno: cause.code, flag }, { cause });
    case 'EACCES':
    case 'EPERM':
      return codedError('XEE_PORT_PERMISSION', { address, errno: cause.code, flag }, { cause });
    default:
      return cause;
  }
}
