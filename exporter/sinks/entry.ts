import type { ClientTableListener } from '../clients/client-table.js';
import type { Config } from '../config/schema.js';
import type { EventFeed } from '../events/event-feed.js';
import type { FeatureBoard } from '../features.js';
import type { Logger } from '../logger.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { FeatureName, SinkName } from '../names.js';
import type { Sinks } from '../pipeline/sink.js';
import type { JobEvents } from './jobs/sink.js';

/** What a sink is made from. */
export interface SinkContext {
  readonly config: Config;
  /** The process's variables: the standard OTEL_* ones, and those of a pod. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Standard output. */
  readonly stdout: NodeJS.WritableStream;
  readonly logger: Logger;
  readonly features: FeatureBoard;
  readonly metrics: ExporterMetrics;
  /** `service.instance.id`. */
  readonly instanceId: string;
  /** Version of the exporter. */
  readonly version: string;
}

export interface SinkDecision {
  readonly wanted: boolean;
  /** Why, in one clause, for the sink's feature. */
  readonly reason: string;
  /** A setting that was ignored. */
  readonly warning?: string | undefined;
}

/** A sink, under what it takes (see {@link Sinks}), and its other ends. */
export interface OpenedSink extends Sinks {
  /** Follows the client table, before any event of the client. */
  readonly clientListener?: ClientTableListener;
  /** What GET /events reads. */
  readonly feed?: EventFeed;
  /** What the jobs' socket reads. */
  readonly jobs?: JobEvents;
}

/** One line of THE LIST in index.ts. */
export interface SinkEntry {
  /** Value of the `sink` label; its series exist at 0 once it is open. */
  readonly name: SinkName;
  /** The feature that says whether it works here; absent where nothing can prevent it. */
  readonly feature?: FeatureName;
  /** Whether configuration and environment ask for it. Pure. */
  readonly wanted: (options: Pick<SinkContext, 'config' | 'env'>) => SinkDecision;
  /**
   * Opens it and reports its feature; loads only here what an exporter without it should not pay for.
   *
   * @param reason of the decision
   * @returns undefined when it cannot work here: the feature then says why
   * @throws CodedError for a mistake in its configuration
   */
  readonly open: (context: SinkContext, reason: string) => OpenedSink | undefined | Promise<OpenedSink | undefined>;
}
