import { DeviceMetrics } from './device-metrics.js';
import type { FeatureReport } from '../features.js';
import { HistogramFamily } from './engine/histogram-family.js';
import { CounterFamily, GaugeFamily } from './engine/metric-families.js';
import {
  ATTACH_FAILURE_REASONS,
  FEATURE_STATES,
  KUBERNETES_EVENT_RESULTS,
  LABEL,
  METRIC,
  OTLP_RESULTS,
  OTLP_SIGNALS,
  STREAM_DROP_REASONS,
  UNATTRIBUTED_REASONS,
  type DropReason,
  type DropStage,
  type SinkName,
  type SourceName,
  type WorkloadLabels,
} from '../names.js';
import { registerProcessMetrics } from './engine/process-metrics.js';
import { ExpositionRegistry } from './engine/registry.js';

export interface ExporterMetricsOptions {
  /** Sources that are wanted on this node; their series exist at 0 from the start. */
  readonly sources: readonly SourceName[];
  /** Sinks that are open from the start; see {@link ExporterMetrics.sinkOpened}. */
  readonly sinks?: readonly SinkName[];
  readonly version: string;
  /** Commit the build was made of; empty where it is not known. */
  readonly revision: string;
  readonly nodeVersion: string;
  /** Pairs of container and device that get series of their own; the rest shares `_other`. */
  readonly maxWorkloads?: number;
  readonly workloadLabels?: WorkloadLabels;
  /** How long the series of a container outlive its last client, in milliseconds. */
  readonly clientSeriesRetentionMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** False leaves process_* and nodejs_* out: their event-loop probe belongs to the process, not to this object. */
  readonly processMetrics?: boolean;
}

/** Usual, slow, very slow; five for each source is what a panel needs. */
const LATENCY_BUCKETS_SECONDS = [0.001, 0.01, 0.1, 1];

/** Which drops can happen where; a combination that cannot happen has no series. */
const STAGE_DROPS: readonly (readonly [Exclude<DropStage, 'sink'>, DropReason])[] = [
  ['reader', 'queue_full'],
  ['decode', 'malformed'],
  ['decode', 'unknown_type'],
];
const QUEUE_DROPS: readonly DropReason[] = ['queue_full', 'closed', 'error'];
const LOG_DROPS: readonly DropReason[] = ['rate_limited', ...QUEUE_DROPS];
const SINK_DROPS: Readonly<Record<SinkName, readonly DropReason[]>> = {
  prometheus: ['unknown_device', 'closed', 'error'],
  otel_logs: LOG_DROPS,
  stdout: LOG_DROPS,
  stream: ['rate_limited', 'closed', 'error'],
  kubernetes_events: ['refused', 'unreachable', ...QUEUE_DROPS],
  terminal: QUEUE_DROPS,
};

/**
 * Every metric of the exporter. What is known in advance exists at 0 before the first event, because rate() does not see a
 * series that is born at 1; only the events received by name, of which there are many and most never come, appear with the first.
 */
export class ExporterMetrics {
  readonly registry = new ExpositionRegistry();
  /** The device and client families. */
  readonly devices: DeviceMetrics;

  readonly seriesOverflow = this.#counter(
    METRIC.seriesOverflow,
    'Containers that a cap turned away to _other.',
    LABEL.metric,
  );
  readonly clientAttachFailures = this.#counter(
    METRIC.clientAttachFailures,
    'Failed attempts to watch a client.',
    LABEL.reason,
  );
  readonly sourceUp = this.#gauge(METRIC.sourceUp, 'Whether the event source delivers, 1 or 0.', LABEL.source);
  readonly sourceRestarts = this.#counter(
    METRIC.sourceRestarts,
    'Times the event source was started again after it had died.',
    LABEL.source,
  );
  readonly eventsReceived = this.#counter(
    METRIC.eventsReceived,
    'Events received and decoded.',
    LABEL.source,
    LABEL.event,
  );
  readonly eventsLost = this.#counter(
    METRIC.eventsLost,
    'Losses the kernel gave notice of, each of one event or more.',
    LABEL.source,
  );
  readonly eventsDropped = this.#counter(
    METRIC.eventsDropped,
    'Events and records that the exporter dropped.',
    LABEL.stage,
    LABEL.sink,
    LABEL.reason,
  );
  readonly eventsDeduplicated = this.#counter(
    METRIC.eventsDeduplicated,
    'Reports of an incident that another report had told of before.',
    LABEL.source,
  );
  readonly eventsUnmerged = this.#counter(
    METRIC.eventsUnmerged,
    'Reports that found no room to be compared with those of other sources: their incidents may count twice.',
    LABEL.source,
  );
  readonly eventsUnattributed = this.#counter(
    METRIC.eventsUnattributed,
    'Events whose victim has no name.',
    LABEL.reason,
  );
  readonly eventLatency = this.registry.register(
    new HistogramFamily({
      name: METRIC.eventLatency,
      help: 'Time from the reading of an event to its counting.',
      labels: [LABEL.source],
      buckets: LATENCY_BUCKETS_SECONDS,
    }),
  );
  readonly otlpRecords = this.#counter(
    METRIC.otlpRecords,
    'Records given to OTLP, by outcome.',
    LABEL.signal,
    LABEL.result,
  );
  readonly otlpQueueLength = this.#gauge(
    METRIC.otlpQueueLength,
    'Records that wait for export over OTLP.',
    LABEL.signal,
  );
  readonly otlpQueueCapacity = this.#gauge(
    METRIC.otlpQueueCapacity,
    'Records that can wait for export over OTLP.',
    LABEL.signal,
  );
  readonly kubernetesEventRequests = this.#counter(
    METRIC.kubernetesEventRequests,
    'Requests to the API server that write Kubernetes Events.',
    LABEL.result,
  );
  readonly streamSubscribers = this.#gauge(METRIC.streamSubscribers, 'Open event streams.');
  // Not part of eventsDropped: a subscriber that was cut off resumes where it was, and costs the sink nothing.
  readonly streamSubscribersDropped = this.#counter(
    METRIC.streamSubscribersDropped,
    'Event streams that were cut off or turned away.',
    LABEL.reason,
  );
  readonly streamEventsMissed = this.#counter(
    METRIC.streamEventsMissed,
    'Events that had left the ring before a subscriber could read them; each was told.',
  );
  readonly featureInfo = this.#gauge(
    METRIC.featureInfo,
    'State of a feature on this node, always 1.',
    LABEL.feature,
    LABEL.state,
  );
  readonly buildInfo = this.#gauge(
    METRIC.buildInfo,
    'Version of the exporter, always 1.',
    LABEL.version,
    LABEL.revision,
    LABEL.nodeVersion,
  );

  constructor(options: ExporterMetricsOptions) {
    this.devices = new DeviceMetrics(this.registry, {
      ...(options.maxWorkloads !== undefined && { maxWorkloads: options.maxWorkloads }),
      ...(options.workloadLabels !== undefined && { workloadLabels: options.workloadLabels }),
      ...(options.clientSeriesRetentionMs !== undefined && { retentionMs: options.clientSeriesRetentionMs }),
      ...(options.now && { now: options.now }),
      onOverflow: (metric) => this.seriesOverflow.cell(metric).inc(),
    });
    if (options.processMetrics ?? true) registerProcessMetrics(this.registry);

    this.buildInfo.cell(options.version, options.revision, options.nodeVersion).set(1);
    this.seriesOverflow.cell(METRIC.clientVmRebindErrors);
    for (const reason of ATTACH_FAILURE_REASONS) this.clientAttachFailures.cell(reason);
    for (const reason of UNATTRIBUTED_REASONS) this.eventsUnattributed.cell(reason);
    for (const [stage, reason] of STAGE_DROPS) this.eventsDropped.cell(stage, '', reason);
    for (const sink of options.sinks ?? []) this.sinkOpened(sink);
    for (const source of options.sources) this.#sourceWanted(source);
  }

  /** Shows the feature in its new state and in no other. */
  featureChanged({ feature, state }: FeatureReport): void {
    for (const other of FEATURE_STATES) if (other !== state) this.featureInfo.remove(feature, other);
    this.featureInfo.cell(feature, state).set(1);
  }

  #sourceWanted(source: SourceName): void {
    this.sourceUp.cell(source);
    this.sourceRestarts.cell(source);
    this.eventsDeduplicated.cell(source);
    this.eventsUnmerged.cell(source);
    this.eventsLost.cell(source);
    this.eventLatency.cell(source);
  }

  /** Creates the series of a sink at 0. */
  sinkOpened(sink: SinkName): void {
    for (const reason of SINK_DROPS[sink]) this.eventsDropped.cell('sink', sink, reason);
    if (sink === 'otel_logs') this.#otlpSwitchedOn();
    if (sink === 'stream') this.#streamSwitchedOn();
    if (sink === 'kubernetes_events') {
      for (const result of KUBERNETES_EVENT_RESULTS) this.kubernetesEventRequests.cell(result);
    }
  }

  #otlpSwitchedOn(): void {
    for (const signal of OTLP_SIGNALS) {
      for (const result of OTLP_RESULTS) this.otlpRecords.cell(signal, result);
      this.otlpQueueLength.cell(signal);
      this.otlpQueueCapacity.cell(signal);
    }
  }

  #streamSwitchedOn(): void {
    this.streamSubscribers.cell();
    for (const reason of STREAM_DROP_REASONS) this.streamSubscribersDropped.cell(reason);
    this.streamEventsMissed.cell();
  }

  #counter(name: string, help: string, ...labels: string[]): CounterFamily {
    return this.registry.register(new CounterFamily({ name, help, labels }));
  }

  #gauge(name: string, help: string, ...labels: string[]): GaugeFamily {
    return this.registry.register(new GaugeFamily({ name, help, labels }));
  }
}
