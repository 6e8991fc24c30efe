import { randomUUID } from 'node:crypto';
import type { Config } from '../config/schema.js';
import { wantedEvents } from '../events/index.js';
import { FeatureBoard } from '../features.js';
import type { Logger } from '../logger.js';
import { ExporterMetrics } from '../metrics/exporter-metrics.js';
import { loadNative } from '../native/load.js';
import { openNodeCondition } from '../node-condition/open.js';
import { openMetricPush } from '../otlp/metrics/open.js';
import { sinks } from '../sinks/index.js';
import { openSinks } from '../sinks/open-sinks.js';
import type { CommandContext } from './context.js';
import { buildFlow, type Flow } from './flow.js';
import { serveJobs } from './jobs.js';
import { modeLine } from './mode.js';
import { RecentHistory } from '../metrics/recent-history.js';
import { deviceMoments, nodeStatus } from './node-status.js';
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

  const metrics = new ExporterMetrics({
    sources: node.sources.map(({ name }) => name),
    version,
    revision: env['XE_EXPORTER_REVISION'] ?? '',
    nodeVersion,
    clientSeriesRetentionMs: config.clientSeriesRetention,
    workloadLabels: config.workloadLabels,
  });
  features.subscribe((report) => metrics.featureChanged(report));

  const instanceId = randomUUID();
  const opened = await openSinks(sinks, { ...context, features, metrics, instanceId });
  const push = await openMetricPush({ ...context, features, metrics, instanceId });
  const nodeCondition = await openNodeCondition({
    ...context,
    features,
    metrics,
    devices: () => flow.health(),
  });
  const flow: Flow = await buildFlow({
    node,
    metrics,
    features,
    logger,
    sinks: opened.sinks,
    sinkListeners: opened.clientListeners,
    instanceId,
    includeProcess: config.includeProcess,
    logsPerMinute: config.eventRateLimitPerMinute,
    outcomeWindowMs: config.outcomeWindow,
    healthChanged: () => nodeCondition?.changed(),
  });

  const history = new RecentHistory(() => deviceMoments(flow, metrics));
  // The port first: a second exporter on the node fails before it has touched anything.
  const { server, url } = await serveHttp(
    {
      registry: metrics.registry,
      readiness: () => readiness(flow),
      status: () =>
        nodeStatus({
          version,
          nodeName: node.name,
          node: flow,
          metrics,
          features,
          history,
          includeProcess: config.includeProcess,
          grafanaUrl: config.grafanaUrl ?? '',
        }),
      devices: flow.health,
      events: opened.feed && eventStreams(opened.feed, config, metrics),
      logger,
      guard,
    },
    config.listenAddress,
  );
  const health = await serveHealth(config.healthAddress, () => readiness(flow), logger);
  const jobs = await serveJobs({ ...flow, config, events: opened.jobs, native, metrics, features, logger });
  await flow.start();
  // By now the sources have told what they know of the time before.
  nodeCondition?.start();
  history.start();
  context.onReload((reloaded) => applyReload(reloaded, flow, logger));
  logger.info({ url, version, devices: flow.devices.devices.map(({ pciBdf }) => pciBdf) }, 'xe-exporter is running');
  if (!simulated) void logMode(flow, features, logger);

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    history.stop();
    const deadline = performance.now() + config.shutdownTimeout;
    await nodeCondition?.close();
    await flow.stop(config.shutdownTimeout);
    // After the sinks, so that the last push has what became of the last event.
    await push?.close(deadline - performance.now());
    // Last, so that a final scrape still sees everything.
    await Promise.all([server.close(), health?.close(), jobs?.close()]);
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

function logFeature(logger: Logger, { feature, state, reason, fix }: ReturnType<FeatureBoard['all']>[number]): void {
  const level = state === 'denied' || state === 'unsupported' ? 'warn' : 'info';
  logger[level]({ feature, state, ...(reason && { reason }), ...(fix && { fix }) }, 'feature state');
}
