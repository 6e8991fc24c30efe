import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { CommandContext } from './context.js';
import type { Config } from '../config/schema.js';
import { before, LATE } from '../time/deadline.js';
import { codedError, type CodedError } from '../errors.js';
import { wantedEvents } from '../events/index.js';
import { createHealthServer, createHttpServer, listenHttp } from '../http/server.js';
import type { EventsOptions } from '../http/routes/events.js';
import type { Readiness } from '../http/routes/health.js';
import type { WebGuard } from '../web-config/guard.js';
import { findApiAccess } from '../kubernetes/api/access.js';
import { EVENTS_OFF, NO_API_ACCESS } from '../kubernetes/events/event-rights.js';
import { nodeNameOf } from '../kubernetes/node-name.js';
import { modeLine } from './mode.js';
import { loadNative } from '../native/load.js';
import { nodeStatus } from './node-status.js';
import { wantedSources, watchSimulatedNode, watchThisNode, type NodeWatch } from './node-watch.js';
import { Pipeline } from '../pipeline/pipeline.js';
import { OtelLogsSink } from '../sinks/otlp/sink.js';
import { otlpSettings } from '../sinks/otlp/settings.js';
import { otlpWanted } from '../sinks/otlp/wanted.js';
import { PrometheusSink } from '../sinks/prometheus.js';
import type { DeviceEvent } from '../events/device-event.js';
import type { LogRecord } from '../pipeline/log/log-record.js';
import type { Sink } from '../pipeline/sink.js';
import { StdoutSink } from '../sinks/stdout.js';
import { StreamSink } from '../sinks/stream/sink.js';
import type { EventFeed } from '../events/event-feed.js';
import { ExporterMetrics } from '../metrics/exporter-metrics.js';
import { FeatureBoard } from '../features.js';
import type { Logger } from '../logger.js';
import type { SinkName } from '../names.js';

/** A running exporter. */
export interface Exporter {
  /** Base URL of the HTTP server. */
  readonly url: string;
  /** Drains and stops, right to left, within `--shutdown-timeout`. A second call is the first. */
  stop(): Promise<void>;
}

/**
 * Builds the whole program in reading order and starts it left to right.
 *
 * @param simulated a made-up node instead of this one; nothing else differs.
 * @throws CodedError when the addon does not load, the web configuration cannot be used, the port cannot be had, or OTLP is misconfigured.
 */
export async function startExporter(context: CommandContext, simulated: boolean): Promise<Exporter> {
  const { config, env, logger, version, nodeVersion } = context;
  const guard = config.webConfigFile === undefined ? undefined : await openGuard(config.webConfigFile, logger);
  const native = loadNative();
  const features = new FeatureBoard();
  features.subscribe((report) => logFeature(logger, report));

  const otlp = otlpWanted(env, config.otlpEndpoint ?? '');
  if (otlp.warning) logger.warn({}, otlp.warning);
  const sinkNames: SinkName[] = ['prometheus'];
  if (otlp.wanted) sinkNames.push('otel_logs');
  if (config.eventsStdout) sinkNames.push('stdout');
  if (config.eventsHttp) sinkNames.push('stream');
  if (config.kubernetesEvents) sinkNames.push('kubernetes_events');
  const metrics = new ExporterMetrics({
    sources: wantedSources(config.mode, simulated),
    sinks: sinkNames,
    version,
    revision: env['XE_EXPORTER_REVISION'] ?? '',
    nodeVersion,
    clientSeriesRetentionMs: config.clientSeriesRetention,
    workloadLabels: config.workloadLabels,
  });
  features.subscribe((report) => metrics.featureChanged(report));

  const instanceId = randomUUID();
  const prometheus = new PrometheusSink(metrics);
  const logs: Sink<LogRecord>[] = [];
  if (otlp.wanted) logs.push(await openOtlp(context, metrics, instanceId));
  features.report('otlp', otlp.wanted ? 'active' : 'disabled', otlp.reason);
  if (config.eventsStdout) logs.push(new StdoutSink(context.stdout as Writable));
  const stream = config.eventsHttp ? new StreamSink({ ringSize: config.eventsRingSize }) : undefined;
  if (stream) logs.push(stream);
  // Keeps to a rate of its own, because its count has to be complete.
  const kubernetesEvents = await openKubernetesEvents(context, { features, metrics, instanceId });
  const events = kubernetesEvents ? [kubernetesEvents] : [];
  const pipeline = new Pipeline(
    metrics,
    { counting: [prometheus], events, logs },
    {
      instanceId,
      includeProcess: config.includeProcess,
      logsPerMinute: config.eventRateLimitPerMinute,
      outcomeWindowMs: config.outcomeWindow,
      snapshot: (device, victim) => node.memory.take(device, victim),
    },
  );

  const watchNode = simulated ? watchSimulatedNode : watchThisNode;
  const node = await watchNode({
    config,
    env,
    native,
    features,
    metrics,
    logger,
    listeners: [
      {
        added: ({ client }) => prometheus.clientDiscovered(client),
        named: ({ client }) => prometheus.clientDiscovered(client),
        removed: ({ client }) => prometheus.clientLeft(client),
      },
      ...pipeline.clientListeners,
    ],
    onDeviceAdded: (device) => pipeline.deviceAdded(device),
    onDeviceRemoved: (device) => pipeline.deviceRemoved(device),
    onSourceChanged: pipeline.sourceChanged,
  });
  const http = createHttpServer({
    registry: metrics.registry,
    readiness: () => readiness(node),
    status: () =>
      nodeStatus({
        version,
        nodeName: simulated ? 'simulated node' : nodeNameOf(config.nodeName, env),
        node,
        metrics,
        features,
      }),
    events: stream && eventStreams(stream, config, metrics),
    logger,
    guard,
  });
  // The port first: a second exporter on the node fails before it has touched anything.
  const url = await listenHttp(http, config.listenAddress).catch((error: unknown) => {
    throw listenError(error, config.listenAddress, '--listen-address');
  });
  const health = await openHealth(context, () => readiness(node));
  await node.start(pipeline.handle);
  context.onReload(({ events }) => {
    const refused = node.watchQueue.want(wantedEvents(events));
    if (refused) logger.error(refused, 'the kernel refused the new event filter');
    else logger.info({ events }, 'the configuration was read again; of its options, events was applied');
  });
  logger.info({ url, version, devices: node.devices.devices.map(({ pciBdf }) => pciBdf) }, 'xe-exporter is running');
  if (!simulated) {
    void node.watchQueue.probed().then(() => logger.info({}, modeLine(features.all(), node.devices.devices.length)));
  }

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const deadline = performance.now() + config.shutdownTimeout;
    // What was read is delivered, what was delivered is flushed; the last scrape can still see it.
    if ((await before(config.shutdownTimeout / 2, node.stop())) === LATE) {
      logger.warn({}, 'a GPU does not answer: stopping without waiting for it');
    }
    await pipeline.close(Math.max(0, deadline - performance.now()));
    await Promise.all([http.close(), health?.close()]);
    logger.info({}, 'xe-exporter has stopped');
  };
  return { url, stop: () => (stopped ??= stop()) };
}

function eventStreams(feed: EventFeed, config: Config, metrics: ExporterMetrics): EventsOptions {
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

/** Loaded here, so that an exporter without protection does not pay for YAML and bcrypt. */
async function openGuard(path: string, logger: Logger): Promise<WebGuard> {
  const { WebGuard } = await import('../web-config/guard.js');
  return new WebGuard(path, logger);
}

async function openHealth(
  { config: { healthAddress }, logger }: CommandContext,
  readiness: () => Readiness,
): Promise<FastifyInstance | undefined> {
  if (healthAddress === undefined) return undefined;
  const health = createHealthServer({ readiness, logger });
  const url = await listenHttp(health, healthAddress).catch((error: unknown) => {
    throw listenError(error, healthAddress, '--health-address');
  });
  logger.info({ url }, 'health and readiness are served without authentication');
  return health;
}

async function openOtlp(
  { config, env, logger, version }: CommandContext,
  metrics: ExporterMetrics,
  instanceId: string,
): Promise<OtelLogsSink> {
  const signal = 'logs';
  try {
    return await OtelLogsSink.open({
      settings: otlpSettings(env, { endpoint: config.otlpEndpoint ?? '', queueSize: config.otlpQueueSize }),
      service: { name: 'xe-exporter', version, instanceId, hostName: hostname(), hostId: machineId() },
      env,
      accounting: {
        exported: (count) => metrics.otlpRecords.cell(signal, 'exported').inc(count),
        failed: (count) => metrics.otlpRecords.cell(signal, 'failed').inc(count),
        dropped: (count) => metrics.otlpRecords.cell(signal, 'dropped').inc(count),
        queue(length, capacity) {
          metrics.otlpQueueLength.cell(signal).set(length);
          metrics.otlpQueueCapacity.cell(signal).set(capacity);
        },
      },
      log: (level, message) => logger[level]({}, message),
    });
  } catch (error) {
    throw codedError('XEE_OTLP_MISCONFIGURED', { seen: String(error) }, { cause: error });
  }
}

interface EventsParts {
  readonly features: FeatureBoard;
  readonly metrics: ExporterMetrics;
  readonly instanceId: string;
}

/** @returns undefined when Events are not wanted, or there is no way to the API server */
async function openKubernetesEvents(
  { config, env, logger }: CommandContext,
  { features, metrics, instanceId }: EventsParts,
): Promise<Sink<DeviceEvent> | undefined> {
  const access = config.kubernetesEvents ? await findApiAccess(env) : undefined;
  if (access === undefined) {
    const { state, reason, fix } = config.kubernetesEvents ? NO_API_ACCESS : EVENTS_OFF;
    features.report('kubernetes_events', state, reason, fix);
    return undefined;
  }
  // Loaded here: most nodes have no use for it.
  const { KubernetesEventsSink } = await import('../sinks/kubernetes-events/sink.js');
  const nodeName = nodeNameOf(config.nodeName, env);
  return new KubernetesEventsSink({
    access,
    features,
    logger,
    nodeName,
    instance: env['POD_NAME'] || nodeName,
    instanceId,
    includeProcess: config.includeProcess,
    accounting: {
      requested: (result) => metrics.kubernetesEventRequests.cell(result).inc(),
      dropped: (reason, errors) => metrics.eventsDropped.cell('sink', 'kubernetes_events', reason).inc(errors),
    },
  });
}

function readiness({ devices, sources }: NodeWatch): Readiness {
  if (devices.devices.length === 0) return { ready: true, reason: 'idle: this node has no xe device' };
  const up = sources.filter((source) => source.up).map(({ name }) => name);
  if (up.length > 0) return { ready: true, reason: `events come from ${up.join(', ')}` };
  return { ready: false, reason: 'no event source is up; the status page and "xe-exporter doctor" say why' };
}

function logFeature(logger: Logger, { feature, state, reason, fix }: ReturnType<FeatureBoard['all']>[number]): void {
  const level = state === 'denied' || state === 'unsupported' ? 'warn' : 'info';
  logger[level]({ feature, state, ...(reason && { reason }), ...(fix && { fix }) }, 'feature state');
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
    case 'ENOTFOUND':
      return codedError('XEE_ADDRESS_NOT_AVAILABLE', { address, errno: cause.code, flag }, { cause });
    case 'EACCES':
    case 'EPERM':
      return codedError('XEE_PORT_PERMISSION', { address, errno: cause.code, flag }, { cause });
    default:
      return cause;
  }
}

function machineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
