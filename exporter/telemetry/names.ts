/**
 * Every public name of the exporter: metrics, label names and values, log event names, attributes, HTTP paths. Sinks, rules,
 * dashboards, docs and tests import from here, so that a rename breaks the build and not a graph. A published name stays.
 */

/** Metric names; counters carry their `_total`. */
export const METRIC = {
  vmRebindErrors: 'xe_vm_rebind_errors_total',
  vmRebindOomOutcomes: 'xe_vm_rebind_oom_outcomes_total',
  vmRebindErrorLastTimestamp: 'xe_vm_rebind_error_last_timestamp_seconds',
  clientVmRebindErrors: 'xe_client_vm_rebind_errors_total',
  clients: 'xe_clients',
  clientsWatched: 'xe_clients_watched',
  clientAttachFailures: 'xe_client_attach_failures_total',
  deviceInfo: 'xe_device_info',
  buildInfo: 'xe_exporter_build_info',
  featureInfo: 'xe_exporter_feature_info',
  sourceUp: 'xe_exporter_source_up',
  eventsReceived: 'xe_exporter_events_received_total',
  eventsLost: 'xe_exporter_events_lost_total',
  eventsDropped: 'xe_exporter_events_dropped_total',
  eventsUnattributed: 'xe_exporter_events_unattributed_total',
  seriesOverflow: 'xe_exporter_series_overflow_total',
  eventLatency: 'xe_exporter_event_latency_seconds',
  otlpRecords: 'xe_exporter_otlp_records_total',
  otlpQueueLength: 'xe_exporter_otlp_queue_length',
  otlpQueueCapacity: 'xe_exporter_otlp_queue_capacity',
} as const;

/** Label names. pid, process name, vm id and client id are never labels: they go into log events. */
export const LABEL = {
  pciBdf: 'pci_bdf',
  errno: 'errno',
  outcome: 'outcome',
  k8sNamespace: 'k8s_namespace_name',
  k8sPod: 'k8s_pod_name',
  k8sContainer: 'k8s_container_name',
  systemdUnit: 'systemd_unit',
  slurmJobId: 'slurm_job_id',
  reason: 'reason',
  source: 'source',
  event: 'event',
  stage: 'stage',
  sink: 'sink',
  metric: 'metric',
  feature: 'feature',
  state: 'state',
  signal: 'signal',
  result: 'result',
  card: 'card',
  render: 'render',
  pciId: 'pci_id',
  vendor: 'vendor',
  model: 'model',
  driverVersion: 'driver_version',
  numaNode: 'numa_node',
  version: 'version',
  revision: 'revision',
  nodeVersion: 'node_version',
} as const;

/** Values of the `errno` label; every other errno is `other`. */
export const ERRNO_LABELS = ['ENOMEM', 'ENOSPC', 'ETIME', 'EBUSY', 'other'] as const;
export type ErrnoLabel = (typeof ERRNO_LABELS)[number];

/** Values of the `outcome` label: what became of a client after a rebind OOM, within the outcome window. */
export const OUTCOMES = ['exited', 'repeated', 'survived', 'unknown'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What the series of a client are labelled by: its pod, or what it belongs to outside of Kubernetes. */
export const WORKLOAD_LABELS = ['kubernetes', 'systemd', 'slurm'] as const;
export type WorkloadLabels = (typeof WORKLOAD_LABELS)[number];

/** Values of the `source` label. */
export const SOURCES = ['watch_queue', 'simulator'] as const;
export type SourceName = (typeof SOURCES)[number];

/** Values of `reason` on {@link METRIC.clientAttachFailures}. */
export const ATTACH_FAILURE_REASONS = ['denied', 'gone', 'limit', 'unsupported', 'other'] as const;
export type AttachFailureReason = (typeof ATTACH_FAILURE_REASONS)[number];

/** Values of `reason` on {@link METRIC.eventsUnattributed}. */
export const UNATTRIBUTED_REASONS = ['client_gone', 'no_container'] as const;
export type UnattributedReason = (typeof UNATTRIBUTED_REASONS)[number];

/** Values of `reason` on {@link METRIC.eventsDropped}. */
export const DROP_REASONS = [
  'queue_full',
  'rate_limited',
  'malformed',
  'unknown_type',
  'unknown_device',
  'closed',
  'error',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Values of `stage` on {@link METRIC.eventsDropped}. */
export const DROP_STAGES = ['reader', 'decode', 'sink'] as const;
export type DropStage = (typeof DROP_STAGES)[number];

/** Values of `sink` on {@link METRIC.eventsDropped}; empty for the stages before the sinks. */
export const SINKS = ['prometheus', 'otel_logs', 'stdout', 'terminal'] as const;
export type SinkName = (typeof SINKS)[number];

/** Features and their states on {@link METRIC.featureInfo}. */
export const FEATURES = ['watch_queue', 'discovery_proc', 'discovery_debugfs', 'kubernetes', 'otlp'] as const;
export type FeatureName = (typeof FEATURES)[number];
export const FEATURE_STATES = ['active', 'unsupported', 'denied', 'disabled'] as const;
export type FeatureState = (typeof FEATURE_STATES)[number];

/** Values of `signal` on the OTLP metrics. */
export const OTLP_SIGNALS = ['logs'] as const;
export type OtlpSignal = (typeof OTLP_SIGNALS)[number];

/** Values of `result` on {@link METRIC.otlpRecords}. */
export const OTLP_RESULTS = ['exported', 'failed', 'dropped'] as const;
export type OtlpResult = (typeof OTLP_RESULTS)[number];

/** Label value that takes what a series cap does not admit. */
export const OTHER_SERIES = '_other';

/** OpenTelemetry log event names. */
export const EVENT = {
  vmRebindError: 'xe.vm.rebind_error',
  vmRebindOutcome: 'xe.vm.rebind_error.outcome',
  eventsLost: 'xe.exporter.events_lost',
  watchRemoved: 'xe.exporter.watch_removed',
} as const;

/** Events that sources deliver; the others are what the exporter concludes from them. */
export const RECEIVED_EVENTS = [EVENT.vmRebindError, EVENT.eventsLost, EVENT.watchRemoved] as const;

/** Events a listener can ask the kernel for; the others are its notices about the pipe itself. */
export const KERNEL_EVENTS = [EVENT.vmRebindError] as const;
export type KernelEvent = (typeof KERNEL_EVENTS)[number];

/** Attributes of log events. `xe.*` are ours; the others are OpenTelemetry's. */
export const ATTRIBUTE = {
  hwId: 'hw.id',
  hwType: 'hw.type',
  hwName: 'hw.name',
  hwModel: 'hw.model',
  hwVendor: 'hw.vendor',
  hwDriverVersion: 'hw.driver_version',
  pciBdf: 'pci.bdf',
  pciVendorId: 'pci.vendor_id',
  pciDeviceId: 'pci.device_id',
  errorType: 'error.type',
  pid: 'process.pid',
  executable: 'process.executable.name',
  processCreationTime: 'process.creation.time',
  containerId: 'container.id',
  k8sNamespace: 'k8s.namespace.name',
  k8sPod: 'k8s.pod.name',
  k8sPodUid: 'k8s.pod.uid',
  k8sContainer: 'k8s.container.name',
  systemdUnit: 'xe.systemd.unit',
  slurmJobId: 'xe.slurm.job_id',
  eventId: 'xe.event.id',
  eventSource: 'xe.event.source',
  suppressedCount: 'xe.event.suppressed_count',
  eventOutcome: 'xe.event.outcome',
  drmClientId: 'xe.drm.client_id',
  drmClientHolders: 'xe.drm.client_holders',
  vmId: 'xe.vm.id',
  vmErrno: 'xe.vm.errno',
} as const;

/** HTTP paths. */
export const PATH = {
  metrics: '/metrics',
  healthz: '/healthz',
  readyz: '/readyz',
  landing: '/',
} as const;

/** Default TCP port of the HTTP server. */
export const DEFAULT_PORT = 9464;
