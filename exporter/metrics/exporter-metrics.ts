import { DeviceHealthMetrics } from './device-health-metrics.js';
import { DeviceMetrics } from './device-metrics.js';
import { SINK_DROPS, STAGE_DROPS, comesFromLoad } from './event-drops.js';
import type { FeatureReport } from '../features.js';
import { HistogramFamily } from './engine/histogram-family.js';
import { CounterFamily, GaugeFamily } from './engine/metric-families.js';
import {
  ATTACH_FAILURE_REASONS,
  FEATURE_STATES,
  JOB_REQUEST_RESULTS,
  KUBERNETES_EVENT_RESULTS,
  NODE_CONDITION_RESULTS,
  LABEL,
  METRIC,
  OTLP_RESULTS,
  UNATTRIBUTED_REASONS,
  type OtlpResult,
  type OtlpSignal,
  type SinkName,
  type SourceName,
  type WorkloadLabels,
} from '../names.js';
import { registerProcessMetrics } from './engine/process-metrics.js';
import { ExpositionRegistry } from './engine/prom-client-adapter.js';

export interface ExporterMetricsOptions {
  /** Sources that are wanted on this node; their series exist at 0 from the start. */
  readonly sources: readonly SourceName[];
  /** Sinks that are open from the start; see {@link ExporterMetrics.sinkOpened}. */
  readonly sinks?: readonly SinkName[];
  readonly version: string;
  /** Commit the build was made of; empty where it is not known. */
  readonly revision: string;
  readonly nodeVersion: string;
  /** Pairs of container and device that get series of their own; the others share `_other`. */
  readonly maxWorkloads?: number;
  readonly workloadLabels?: WorkloadLabels;
  /** How long the series of a container outlive its last client, in milliseconds. */
  readonly clientSeriesRetentionMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** False leaves process_* and nodejs_* out: their event-loop probe belongs to the process, not to this object. */
  readonly processMetrics?: boolean;
}

/** Usual, slow, very slow: what a panel needs. No label: each would multiply the series of every node. */
const LATENCY_BUCKETS_SECONDS = [0.001, 0.01, 0.1, 1];

/**
 * Every metric of the exporter. What is known in advance exists at 0 before the first event, because rate() does not see a
 * series that is born at 1. Three kinds appear with their first event, because a node is to have few series and most never come:
 * received events by name, reports that were merged or could not be, and what only a fault of the exporter or a client's misuse
 * of a stream would count.
 */
export class ExporterMetrics {
  readonly registry = new ExpositionRegistry();
  /** The device and client families. */
  readonly devices: DeviceMetrics;
  readonly health = new DeviceHealthMetrics(this.registry);

  readonly seriesOverflow = this.#counter(
    METRIC.seriesOverflow,
    'Containers that count under _other because the limit on containers was reached.',
    LABEL.metric,
  );
  readonly clientAttachFailures = this.#counter(
    METRIC.clientAttachFailures,
    'Failed attempts to watch a client.',
    LABEL.reason,
  );
  readonly sourceUp = this.#gauge(METRIC.sourceUp, 'Whether the event source is up, 1 or 0.', LABEL.source);
  readonly sourceRestarts = this.#counter(
    METRIC.sourceRestarts,
    'Restarts of the event source after a failure.',
    LABEL.source,
  );
  readonly readerQueuePeak = this.#gauge(
    METRIC.readerQueuePeak,
    'Most bytes that waited in the queue of a reader thread since the start. Raise --reader-queue-bytes before it gets there.',
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
    'Events that the kernel discarded before they were read, a lower bound.',
    LABEL.source,
  );
  readonly eventsDropped = this.#counter(
    METRIC.eventsDropped,
    'Events and records dropped by the exporter.',
    LABEL.stage,
    LABEL.sink,
    LABEL.reason,
  );
  readonly eventsDeduplicated = this.#counter(
    METRIC.eventsDeduplicated,
    'Reports of incidents that an earlier report had counted already.',
    LABEL.source,
  );
  readonly eventsUnmerged = this.#counter(
    METRIC.eventsUnmerged,
    'Reports that were not compared with other sources because a table was full, so that their incidents may count twice.',
    LABEL.source,
  );
  readonly eventsUnattributed = this.#counter(
    METRIC.eventsUnattributed,
    'Events that could not be attributed to a container.',
    LABEL.reason,
  );
  readonly eventLatency = this.registry.register(
    new HistogramFamily({
      name: METRIC.eventLatency,
      help: 'Seconds from reading an event to counting it.',
      buckets: LATENCY_BUCKETS_SECONDS,
    }),
  );
  readonly otlpRecords = this.#counter(
    METRIC.otlpRecords,
    'OTLP records by result: log events for the signal logs, data points for the signal metrics.',
    LABEL.signal,
    LABEL.result,
  );
  readonly otlpQueueLength = this.#gauge(METRIC.otlpQueueLength, 'Records waiting for OTLP export.', LABEL.signal);
  readonly otlpQueueCapacity = this.#gauge(
    METRIC.otlpQueueCapacity,
    'Capacity of the OTLP export queue in records.',
    LABEL.signal,
  );
  readonly kubernetesEventRequests = this.#counter(
    METRIC.kubernetesEventRequests,
    'Requests to the Kubernetes API server that write Events, by result.',
    LABEL.result,
  );
  readonly nodeConditionWrites = this.#counter(
    METRIC.nodeConditionWrites,
    'Attempts to write the condition XeGPUsHealthy of the Kubernetes node, by result.',
    LABEL.result,
  );
  readonly coredumpCopies = this.#counter(
    METRIC.coredumpCopies,
    'Copies of device coredumps, by result.',
    LABEL.result,
  );
  readonly streamSubscribers = this.#gauge(METRIC.streamSubscribers, 'Open event streams.');
  // Not part of eventsDropped: a subscriber that was closed can resume where it was, and the sink loses nothing.
  readonly streamSubscribersDropped = this.#counter(
    METRIC.streamSubscribersDropped,
    'Event streams that were closed for reading too slowly, or refused.',
    LABEL.reason,
  );
  readonly streamEventsMissed = this.#counter(
    METRIC.streamEventsMissed,
    'Events that were discarded before a slow reader had read them; the reader is sent a gap notice.',
  );
  readonly jobSubscribers = this.#gauge(
    METRIC.jobSubscribers,
    "Event streams that jobs have open on the jobs' socket.",
  );
  readonly jobRequests = this.#counter(
    METRIC.jobRequests,
    "Requests and connections on the jobs' socket: answered, unidentified because the kernel names no workload for the peer, or refused because they were too many or wrong.",
    LABEL.result,
  );
  readonly featureInfo = this.#gauge(
    METRIC.featureInfo,
    'State of each feature on this node, always 1.',
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
    this.eventLatency.cell();
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
    this.readerQueuePeak.cell(source);
    this.eventsLost.cell(source);
  }

  /** Creates the series of a sink at 0. */
  sinkOpened(sink: SinkName): void {
    for (const reason of SINK_DROPS[sink].filter(comesFromLoad)) this.eventsDropped.cell('sink', sink, reason);
    if (sink === 'otel_logs') this.#otlpLogsOpened();
    if (sink === 'stream') this.#streamSwitchedOn();
    if (sink === 'jobs') this.#jobsSwitchedOn();
    if (sink === 'kubernetes_events') {
      for (const result of KUBERNETES_EVENT_RESULTS) this.kubernetesEventRequests.cell(result);
    }
  }

  /** Creates the series of pushed metrics at 0. They wait in no queue, and none is dropped. */
  metricPushOpened(): void {
    for (const result of ['exported', 'failed'] as const satisfies readonly OtlpResult[])
      this.otlpRecords.cell('metrics' satisfies OtlpSignal, result);
  }

  /** Creates the series of the node condition at 0, and those of the Events that go with it. */
  nodeConditionOpened(): void {
    for (const result of NODE_CONDITION_RESULTS) this.nodeConditionWrites.cell(result);
    for (const result of KUBERNETES_EVENT_RESULTS) this.kubernetesEventRequests.cell(result);
  }

  #otlpLogsOpened(): void {
    const signal: OtlpSignal = 'logs';
    for (const result of OTLP_RESULTS) this.otlpRecords.cell(signal, result);
    this.otlpQueueLength.cell(signal);
    this.otlpQueueCapacity.cell(signal);
  }

  #streamSwitchedOn(): void {
    this.streamSubscribers.cell();
    this.streamEventsMissed.cell();
  }

  #jobsSwitchedOn(): void {
    this.jobSubscribers.cell();
    for (const result of JOB_REQUEST_RESULTS) this.jobRequests.cell(result);
  }

  #counter(name: string, help: string, ...labels: string[]): CounterFamily {
    return this.registry.register(new CounterFamily({ name, help, labels }));
  }

  #gauge(name: string, help: string, ...labels: string[]): GaugeFamily {
    return this.registry.register(new GaugeFamily({ name, help, labels }));
  }
}
