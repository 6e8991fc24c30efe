import type { OptionKey } from '../../exporter/config/schema.js';

/** A value of the chart that is an option of the exporter, by its path in values.yaml. */
export interface OptionValue {
  readonly option: OptionKey;
  readonly value: string;
}

/** THE MAPPING: every option that has a value in the chart, in the order of the configuration file. */
export const OPTION_VALUES: readonly OptionValue[] = [
  { option: 'mode', value: 'mode' },
  { option: 'xeWatchIoctl', value: 'sources.watchQueue.ioctl' },
  { option: 'kmsg', value: 'sources.kmsg.enabled' },
  { option: 'kmsgSinceBoot', value: 'sources.kmsg.sinceBoot' },
  { option: 'uevent', value: 'sources.uevent.enabled' },
  { option: 'trace', value: 'sources.trace.enabled' },
  { option: 'traceEvictions', value: 'sources.trace.evictions' },
  { option: 'coredumpMaxBytes', value: 'coredumps.maxBytes' },
  { option: 'demoRate', value: 'sources.simulator.rate' },
  { option: 'demoKernel', value: 'sources.simulator.kernel' },
  { option: 'demoWedgeEvery', value: 'sources.simulator.wedgeEvery' },
  { option: 'events', value: 'events.names' },
  { option: 'discovery', value: 'discovery.method' },
  { option: 'scanInterval', value: 'discovery.scanInterval' },
  { option: 'maxClients', value: 'discovery.maxClients' },
  { option: 'kubernetes', value: 'attribution.kubernetes' },
  { option: 'workloadLabels', value: 'attribution.labels' },
  { option: 'clientSeriesRetention', value: 'attribution.retention' },
  { option: 'memoryInterval', value: 'metrics.memoryInterval' },
  { option: 'rasInterval', value: 'metrics.rasInterval' },
  { option: 'clientMemory', value: 'metrics.clientMemory' },
  { option: 'exemplars', value: 'metrics.exemplars' },
  { option: 'eventRateLimitPerMinute', value: 'events.rateLimitPerMinute' },
  { option: 'outcomeWindow', value: 'events.outcomeWindow' },
  { option: 'grafanaUrl', value: 'grafanaUrl' },
  { option: 'includeProcess', value: 'events.includeProcess' },
  { option: 'topConsumers', value: 'events.topConsumers' },
  { option: 'eventsStdout', value: 'events.stdout' },
  { option: 'kubernetesEvents', value: 'events.kubernetesEvents' },
  { option: 'kubernetesNodeCondition', value: 'events.kubernetesNodeCondition' },
  { option: 'eventsHttp', value: 'events.http' },
  { option: 'eventsRingSize', value: 'events.ringSize' },
  { option: 'eventsMaxSubscribers', value: 'events.maxSubscribers' },
  { option: 'otlpEndpoint', value: 'otlp.endpoint' },
  { option: 'otlpMetrics', value: 'otlp.metrics' },
  { option: 'otlpQueueSize', value: 'otlp.queueSize' },
  { option: 'logLevel', value: 'log.level' },
  { option: 'logFormat', value: 'log.format' },
  { option: 'shutdownTimeout', value: 'shutdownTimeout' },
];

/** Options that templates set from other values, and how. */
export const DERIVED_OPTIONS: Partial<Record<OptionKey, string>> = {
  configFile: 'the ConfigMap with all the others',
  listenAddress: 'metrics.port, on all interfaces of the pod',
  webConfigFile: 'the Secret web.existingSecret',
  healthAddress: 'web.healthPort, when there is a web.existingSecret',
  coredumpDir: 'coredumps.enabled: where coredumps.hostPath is mounted',
  nodeName: 'NODE_NAME from the downward API',
  jobsSocket: 'a folder below jobs.hostPath, with jobs.enabled',
  jobsStateFile: 'beside that folder, with jobs.enabled',
};

/** Options without a value of their own, and why; extraArgs takes them. */
export const EXTRA_ARGS_OPTIONS: Partial<Record<OptionKey, string>> = {
  readerQueueBytes: 'the default holds more than 80000 records',
  procRoot: 'the pod has it where it belongs',
  sysRoot: 'the pod has it where it belongs',
  debugfsRoot: 'the chart mounts it where it belongs',
  tracefsRoot: 'the chart mounts it where it belongs',
  devRoot: 'the pod has it where it belongs',
};
