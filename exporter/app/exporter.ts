import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import type { Config } from '../config/schema.js';
import { codedError } from '../errors.js';
import { wantedEvents } from '../events/index.js';
import { findApiAccess } from '../kubernetes/api/access.js';
import { EVENTS_OFF, NO_API_ACCESS } from '../kubernetes/events/event-rights.js';
import { nodeNameOf } from '../kubernetes/node-name.js';
import { loadNative } from '../native/load.js';
import { OtelLogsSink } from '../sinks/otlp/sink.js';
import { otlpSettings } from '../sinks/otlp/settings.js';
import { otlpWanted } from '../sinks/otlp/wanted.js';
import { PrometheusSink } from '../sinks/prometheus.js';
import type { DeviceEvent } from '../events/device-event.js';
import type { LogRecord } from '../pipeline/log/log-record.js';
import type { Sink } from '../pipeline/sink.js';
import { StdoutSink } from '../sinks/stdout.js';
import { StreamSink } from '../sinks/stream/sink.js';
import { ExporterMetrics } from '../metrics/exporter-metrics.js';
import { FeatureBoard } from '../features.js';
import type { Logger } from '../logger.js';
import type { SinkName } from '../names.js';
import type { CommandContext } from './context.js';
import { buildFlow, type Flow } from './flow.js';
import { modeLine } from './mode.js';
import { nodeStatus } from './node-status.js';
import { readiness } from './readiness.js';
import { realNode } from './real-node.js';
import { eventStreams, openGuard, serveHealth, serveHttp } from './servers.js';
import { simulatedNode } from './simulated-node.js';

/** A running exporter. */
export interface Exporter {
  /** Base URL of the HTTP server. */
  readonly url: string;
  /** Drains and stops, right to left, within `--shutdown-timeout`. A second call is the first. */
  stop(): Promise<void>;
}

/**
 * Builds the whole program in reading order, then starts it: sources, pipeline, sinks (flow.ts), and the HTTP servers.
 *
 * @param simulated watch a made-up node instead of this one; nothing else differs.
 * @throws CodedError when the addon does not load, the web configuration cannot be used, the port cannot be had, or OTLP is misconfigured.
 */
export async function startExporter(context: CommandContext, simulated: boolean): Promise<Exporter> {
  const { config, env, logger, version, nodeVersion } = context;
  const guard = config.webConfigFile === undefined ? undefined : await openGuard(config.webConfigFile, logger);
  const native = loadNative();
  const features = new FeatureBoard();
  features.subscribe((report) => logFeature(logger, report));
  const node = simulated ? simulatedNode(context, native) : realNode(context, native, features);

  const otlp = otlpWanted(env, config.otlpEndpoint ?? '');
  if (otlp.warning) logger.warn({}, otlp.warning);
  const sinkNames: SinkName[] = ['prometheus'];
  if (otlp.wanted) sinkNames.push('otel_logs');
  if (config.eventsStdout) sinkNames.push('stdout');
  if (config.eventsHttp) sinkNames.push('stream');
  if (config.kubernetesEvents) sinkNames.push('kubernetes_events');
  const metrics = new ExporterMetrics({
    sources: node.sources.map(({ name }) => name),
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

  const flow = await buildFlow({
    node,
    metrics,
    features,
    logger,
    sinks: { counting: [prometheus], events, logs },
    sinkListeners: [prometheus.clientListener],
    instanceId,
    includeProcess: config.includeProcess,
    logsPerMinute: config.eventRateLimitPerMinute,
    outcomeWindowMs: config.outcomeWindow,
  });

  // The port first: a second exporter on the node fails before it has touched anything.
  const { server, url } = await serveHttp(
    {
      registry: metrics.registry,
      readiness: () => readiness(flow),
      status: () => nodeStatus({ version, nodeName: node.name, node: flow, metrics, features }),
      events: stream && eventStreams(stream, config, metrics),
      logger,
      guard,
    },
    config.listenAddress,
  );
  const health = await serveHealth(config.healthAddress, () => readiness(flow), logger);
  await flow.start();
  context.onReload((reloaded) => applyReload(reloaded, flow, logger));
  logger.info({ url, version, devices: flow.devices.devices.map(({ pciBdf }) => pciBdf) }, 'xe-exporter is running');
  if (!simulated) void logMode(flow, features, logger);

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await flow.stop(config.shutdownTimeout);
    // Last, so that a final scrape still sees everything.
    await Promise.all([server.close(), health?.close()]);
    logger.info({}, 'xe-exporter has stopped');
  };
  return { url, stop: () => (stopped ??= stop()) };
}

/** Of the options, only `events` can change while running. */
function applyReload({ events }: Config, { sources }: Flow, logger: Logger): void {
  const refused = sources.map((source) => source.want?.(wantedEvents(events))).find((failure) => failure !== undefined);
  if (refused) logger.error(refused, 'the kernel refused the new event filter');
  else logger.info({ events }, 'configuration reloaded; of its options, only events takes effect without a restart');
}

async function logMode({ sources, devices }: Flow, features: FeatureBoard, logger: Logger): Promise<void> {
  await Promise.all(sources.map((source) => source.settled()));
  logger.info({}, modeLine(features.all(), devices.devices.length));
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

function logFeature(logger: Logger, { feature, state, reason, fix }: ReturnType<FeatureBoard['all']>[number]): void {
  const level = state === 'denied' || state === 'unsupported' ? 'warn' : 'info';
  logger[level]({ feature, state, ...(reason && { reason }), ...(fix && { fix }) }, 'feature state');
}

function machineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
