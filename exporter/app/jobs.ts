import type { Config } from '../config/schema.js';
import { CodedError } from '../errors.js';
import type { DeviceHealth } from '../events/device-health.js';
import type { FeatureBoard } from '../features.js';
import { createJobsServer } from '../jobs/server.js';
import type { WorkloadOf } from '../jobs/peer.js';
import { JobsSocket } from '../jobs/socket.js';
import type { Logger } from '../logger.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { NativeAddon } from '../native/binding.js';
import type { JobEvents } from '../sinks/jobs/sink.js';

export interface JobsOptions {
  readonly config: Pick<Config, 'jobsSocket' | 'procRoot'>;
  /** Undefined without --jobs-socket. */
  readonly events: JobEvents | undefined;
  readonly health: () => readonly DeviceHealth[];
  readonly workloadOf: WorkloadOf;
  readonly native: Pick<NativeAddon, 'PeerListener'>;
  readonly metrics: ExporterMetrics;
  readonly features: FeatureBoard;
  readonly logger: Logger;
}

/**
 * Serves `--jobs-socket`, where one is given, and reports the feature. On a kernel that cannot identify peers there is no socket.
 * @throws CodedError when the socket cannot be made
 */
export async function serveJobs(options: JobsOptions): Promise<{ close(): Promise<void> } | undefined> {
  const { config, events, native, metrics, features, logger } = options;
  const { jobsSocket: path, procRoot } = config;
  if (path === undefined || events === undefined) {
    features.report('jobs', 'disabled', 'no --jobs-socket');
    return undefined;
  }
  const server = await createJobsServer({
    events,
    health: options.health,
    workloadOf: options.workloadOf,
    logger,
    accounting: {
      subscribers: (count) => metrics.jobSubscribers.cell().set(count),
      requests: (result) => metrics.jobRequests.cell(result).inc(),
      dropped: (reason) => metrics.streamSubscribersDropped.cell(reason).inc(),
      missed: (count) => metrics.streamEventsMissed.cell().inc(count),
    },
  });
  const socket = new JobsSocket({ path, procRoot, native, onConnection: (open, peer) => server.take(open, peer) });
  try {
    await socket.open();
  } catch (error) {
    await server.close();
    if (!(error instanceof CodedError) || error.code !== 'XEE_JOBS_UNSUPPORTED') throw error;
    features.report('jobs', 'unsupported', error.message, error.fix);
    return undefined;
  }
  features.report('jobs', 'active');
  logger.info({ path }, "jobs hear of their own events on the jobs' socket");
  return {
    async close() {
      socket.close();
      await server.close();
    },
  };
}
