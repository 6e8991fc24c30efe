/**
 * The public names of the exporter: metrics, label names and values, attributes, HTTP paths. Sinks, rules, dashboards, docs and tests
 * import them, so that a rename breaks the build and not a graph. A published name stays. The names of an event and of the counter it
 * moves stand in its definition: import EVENT and EVENT_METRIC from events/index.ts.
 */

/** Metric names; counters carry their `_total`. */
export const METRIC = {
  vmRebindErrors: 'xe_vm_rebind_errors_total',
  vmRebindOomOutcomes: 'xe_vm_rebind_oom_outcomes_total',
  vmRebindErrorLastTimestamp: 'xe_vm_rebind_error_last_timestamp_seconds',
  deviceWedged: 'xe_device_wedged',
  deviceHealth: 'xe_device_health',
  deviceHealthChanged: 'xe_device_health_changed_timestamp_seconds',
  deviceSurvivabilityMode: 'xe_device_survivability_mode',
  deviceRuntimeSuspended: 'xe_device_runtime_suspended',
  deviceMemorySize: 'xe_device_memory_size_bytes',
  deviceMemoryUsed: 'xe_device_memory_used_bytes',
  deviceEvictions: 'xe_device_evictions_total',
  deviceEvictedBytes: 'xe_device_evicted_bytes_total',
  deviceRestoredBytes: 'xe_device_restored_bytes_total',
  deviceRasErrors: 'xe_device_ras_errors_total',
  clientVmRebindErrors: 'xe_client_vm_rebind_errors_total',
  clientVmRebindErrorLastTimestamp: 'xe_client_vm_rebind_error_last_timestamp_seconds',
  clients: 'xe_clients',
  clientsWatched: 'xe_clients_watched',
  clientFaults: 'xe_client_faults_total',
  clientMemoryResident: 'xe_client_memory_resident_bytes',
  clientMemoryAtOom: 'xe_client_memory_resident_at_oom_bytes',
  clientAttachFailures: 'xe_client_attach_failures_total',
  deviceInfo: 'xe_device_info',
  buildInfo: 'xe_exporter_build_info',
  featureInfo: 'xe_exporter_feature_info',
  sourceUp: 'xe_exporter_source_up',
  sourceRestarts: 'xe_exporter_source_restarts_total',
  readerQueuePeak: 'xe_exporter_reader_queue_peak_bytes',
  eventsReceived: 'xe_exporter_events_received_total',
  eventsLost: 'xe_exporter_events_lost_total',
  eventsDropped: 'xe_exporter_events_dropped_total',
  eventsDeduplicated: 'xe_exporter_events_deduplicated_total',
  eventsUnmerged: 'xe_exporter_events_unmerged_total',
  eventsUnattributed: 'xe_exporter_events_unattributed_total',
  seriesOverflow: 'xe_exporter_series_overflow_total',
  eventLatency: 'xe_exporter_event_latency_seconds',
  otlpRecords: 'xe_exporter_otlp_records_total',
  otlpQueueLength: 'xe_exporter_otlp_queue_length',
  otlpQueueCapacity: 'xe_exporter_otlp_queue_capacity',
  kubernetesEventRequests: 'xe_exporter_kubernetes_event_requests_total',
  nodeConditionWrites: 'xe_exporter_node_condition_writes_total',
  coredumpCopies: 'xe_exporter_coredump_copies_total',
  streamSubscribers: 'xe_exporter_stream_subscribers',
  streamSubscribersDropped: 'xe_exporter_stream_subscribers_dropped_total',
  streamEventsMissed: 'xe_exporter_stream_events_missed_total',
  jobSubscribers: 'xe_exporter_job_subscribers',
  jobRequests: 'xe_exporter_job_requests_total',
} as const;

/** Label names. pid, process name, vm id and client id are never labels: they go into log events. */
export const LABEL = {
  pciBdf: 'pci_bdf',
  errno: 'errno',
  fault: 'fault',
  severity: 'severity',
  component: 'component',
  outcome: 'outcome',
  region: 'region',
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
  serial: 'serial',
  physicalFunction: 'physical_function',
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

/** Values of the `state` label of {@link METRIC.deviceHealth}: a device shows the one that it is in. */
export const DEVICE_HEALTH_STATES = [
  'ok',
  'recovering',
  'faulting',
  'unrecovered',
  'wedged',
  'survivability',
  'lost',
  'unknown',
] as const;
export type DeviceHealthState = (typeof DEVICE_HEALTH_STATES)[number];

/** Values of the `fault` label: what can happen to a client beyond a rebind error. */
export const CLIENT_FAULTS = ['vm_kill', 'job_timeout', 'engine_reset', 'memory_cat_error', 'page_fault'] as const;
export type ClientFault = (typeof CLIENT_FAULTS)[number];

/** Values of the `severity` label of hardware errors: the words of OpenTelemetry's `hw.errors`. */
export const HARDWARE_ERROR_SEVERITIES = ['corrected', 'uncorrected', 'unknown'] as const;
export type HardwareErrorSeverity = (typeof HARDWARE_ERROR_SEVERITIES)[number];

/** What the series of a client are labelled by: its pod, or what it belongs to outside of Kubernetes. */
export const WORKLOAD_LABELS = ['kubernetes', 'systemd', 'slurm'] as const;
export type WorkloadLabels = (typeof WORKLOAD_LABELS)[number];

/** Values of the `source` label. */
export const SOURCES = ['watch_queue', 'trace', 'kmsg', 'uevent', 'simulator'] as const;
export type SourceName = (typeof SOURCES)[number];

/** Values of `reason` on {@link METRIC.clientAttachFailures}. */
export const ATTACH_FAILURE_REASONS = ['denied', 'gone', 'limit', 'unsupported', 'other'] as const;
export type AttachFailureReason = (typeof ATTACH_FAILURE_REASONS)[number];

/** Values of `reason` on {@link METRIC.eventsUnattributed}. */
export const UNATTRIBUTED_REASONS = ['client_gone', 'no_container', 'no_pid'] as const;
export type UnattributedReason = (typeof UNATTRIBUTED_REASONS)[number];

/** Values of `reason` on {@link METRIC.eventsDropped}. */
export const DROP_REASONS = [
  'queue_full',
  'rate_limited',
  'malformed',
  'unknown_type',
  'unknown_device',
  'refused',
  'unreachable',
  'closed',
  'error',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Values of `stage` on {@link METRIC.eventsDropped}. */
export const DROP_STAGES = ['reader', 'decode', 'sink'] as const;
export type DropStage = (typeof DROP_STAGES)[number];

/** Values of `sink` on {@link METRIC.eventsDropped}; empty for the stages before the sinks. */
export const SINKS = ['prometheus', 'otel_logs', 'stdout', 'stream', 'kubernetes_events', 'terminal', 'jobs'] as const;
export type SinkName = (typeof SINKS)[number];

/** Features and their states on {@link METRIC.featureInfo}. */
export const FEATURES = [
  'watch_queue',
  'trace',
  'kmsg',
  'uevent',
  'discovery_proc',
  'discovery_debugfs',
  'memory',
  'kubernetes',
  'kubernetes_events',
  'kubernetes_node_condition',
  'otlp',
  'otlp_metrics',
  'jobs',
  'coredumps',
  'ras',
] as const;
export type FeatureName = (typeof FEATURES)[number];
export const FEATURE_STATES = ['active', 'unsupported', 'denied', 'disabled'] as const;
export type FeatureState = (typeof FEATURE_STATES)[number];

/** Values of `signal` on the OTLP metrics. */
export const OTLP_SIGNALS = ['logs', 'metrics'] as const;
export type OtlpSignal = (typeof OTLP_SIGNALS)[number];

/** Values of `result` on {@link METRIC.otlpRecords}. */
export const OTLP_RESULTS = ['exported', 'failed', 'dropped'] as const;
export type OtlpResult = (typeof OTLP_RESULTS)[number];

/** Values of `result` on {@link METRIC.kubernetesEventRequests}. */
export const KUBERNETES_EVENT_RESULTS = ['created', 'updated', 'failed'] as const;
export type KubernetesEventResult = (typeof KUBERNETES_EVENT_RESULTS)[number];

/** Values of `result` on {@link METRIC.nodeConditionWrites}. */
export const NODE_CONDITION_RESULTS = ['written', 'failed'] as const;
export type NodeConditionResult = (typeof NODE_CONDITION_RESULTS)[number];

/** Values of `result` on {@link METRIC.jobRequests}. */
export const JOB_REQUEST_RESULTS = ['answered', 'unidentified', 'refused'] as const;
export type JobRequestResult = (typeof JOB_REQUEST_RESULTS)[number];

/** Version of what the jobs' socket answers; it changes when a reader of the one before would be misled. */
export const JOBS_SCHEMA = 1;

/** Values of `result` on {@link METRIC.coredumpCopies}; `removed` is an old copy that made room for a new one. */
export const COREDUMP_COPY_RESULTS = ['copied', 'truncated', 'failed', 'removed'] as const;
export type CoredumpCopyResult = (typeof COREDUMP_COPY_RESULTS)[number];

/** What writes Kubernetes Events, as they name it. */
export const KUBERNETES_COMPONENT = 'xe-exporter';

/** Type of the node condition that says whether the GPUs of the node are fit for work. */
export const NODE_CONDITION = 'XeGPUsHealthy';

/** Reason of the Kubernetes Event for a pod that ran out of GPU memory; also the name of the alert. Other Events are named after their log event. */
export const OUT_OF_MEMORY_REASON = 'XeVMRebindOOM';

/** Values of `reason` on {@link METRIC.streamSubscribersDropped}: did not read fast enough, or found the limit reached. */
export const STREAM_DROP_REASONS = ['slow', 'limit'] as const;
export type StreamDropReason = (typeof STREAM_DROP_REASONS)[number];

/** Label value that takes what a series cap does not admit. */
export const OTHER_SERIES = '_other';

/** Label value that takes the events whose victim the kernel does not name: a metric never guesses. */
export const UNATTRIBUTED_SERIES = '_unattributed';

/** Events a listener can ask the kernel for; the others are its notices about the pipe itself. */
export const KERNEL_EVENT = { vmRebindError: 'xe.vm.rebind_error' } as const;
export const KERNEL_EVENTS = Object.values(KERNEL_EVENT);
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
  eventCauseId: 'xe.event.cause_id',
  drmClientId: 'xe.drm.client_id',
  drmClientHolders: 'xe.drm.client_holders',
  vmId: 'xe.vm.id',
  vmErrno: 'xe.vm.errno',
  vmAsid: 'xe.vm.asid',
  tileId: 'xe.tile.id',
  gtId: 'xe.gt.id',
  gucId: 'xe.guc.id',
  engineClass: 'xe.engine.class',
  deviceRecovery: 'xe.device.recovery',
  deviceHealth: 'xe.device.health',
  deviceHealthPrevious: 'xe.device.health.previous',
  deviceHealthReason: 'xe.device.health.reason',
  firmwareFile: 'xe.firmware.file',
  hardwareErrorSeverity: 'xe.hardware_error.severity',
  devcoredumpPath: 'xe.devcoredump.path',
  devcoredumpReason: 'xe.devcoredump.reason',
  devcoredumpCopy: 'xe.devcoredump.copy',
  devcoredumpCopySize: 'xe.devcoredump.copy_size',
  devcoredumpTruncated: 'xe.devcoredump.truncated',
  devcoredumpCopyError: 'xe.devcoredump.copy_error',
  pageFaultError: 'xe.page_fault.error',
  kernelLogMessage: 'xe.kernel_log.message',
  kernelLogSequence: 'xe.kernel_log.sequence',
  sourceState: 'xe.exporter.source_state',
  sourceReason: 'xe.exporter.source_reason',
  victimEvidence: 'xe.victim.evidence',
  victimInferred: 'xe.victim.inferred',
  topConsumers: 'xe.top_consumers',
  evictedFor: 'xe.memory.evicted_for',
  memorySnapshotAge: 'xe.memory.snapshot_age',
} as const;

/** Attributes of the memory of one region, such as `vram0`, in bytes. */
export const REGION_ATTRIBUTE = {
  used: (region: string) => `xe.memory.${region}.used`,
  size: (region: string) => `xe.memory.${region}.size`,
  clientResident: (region: string) => `xe.client.memory.${region}.resident`,
} as const;

/** The one label of an exemplar: the attribute of the log event as Loki and Prometheus spell it. */
export const EXEMPLAR_LABEL = 'xe_event_id';

/** HTTP paths. */
export const PATH = {
  metrics: '/metrics',
  healthz: '/healthz',
  readyz: '/readyz',
  events: '/events',
  devices: '/devices',
  landing: '/',
  jobsClient: '/jobs/xe_exporter_jobs.py',
} as const;

/** Paths of the jobs' socket. */
export const JOBS_PATH = { events: PATH.events, last: '/last', devices: PATH.devices } as const;

/** Default TCP port of the HTTP server. */
export const DEFAULT_PORT = 9464;

/** Folder of the runbooks, one for each alert. */
export const RUNBOOK_BASE = 'https://github.com/xe-exporter/xe-exporter/blob/main/dashboards/runbooks';
