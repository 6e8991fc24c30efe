import { ROOT_CONTEXT, type ContextManager } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
// Not the package's index: that also loads its declarative configuration with two YAML parsers, 6 MiB of memory for nothing.
import { NodeSDK } from '@opentelemetry/sdk-node/build/src/sdk.js';
import type { LogRecord } from '../../pipeline/log/log-record.js';
import { createCollectorExporter } from './collector-exporter.js';
import { CountingExporter } from './counting-exporter.js';
import { routeDiagnostics } from './diagnostics.js';
import type { ExportHealth, OtlpLog } from './export-health.js';
import type { OtlpLedger } from './ledger.js';
import { resourceAttributes, type ServiceIdentity } from './resource.js';
import type { OtlpSettings } from './settings.js';

/** The OpenTelemetry SDK as the sink sees it. */
export interface Pipeline {
  /** Queues one record; the ledger has taken it. */
  emit(record: LogRecord): void;
  /** Sends what is queued. Ends when all is settled, which a hanging collector can put off: see {@link Pipeline.close}. */
  flush(): Promise<void>;
  /** Breaks off what is under way and sends nothing more. */
  close(): void;
}

const NS = 1_000_000_000n;

/** The SDK's own time-out comes after ours, which settles the batch: it only has to fire if ours does not. */
const BACKSTOP_MS = 5000;

/**
 * Starts NodeSDK with logs and nothing else: no spans, metrics, instrumentations, propagation, resource detectors or context tracking,
 * whatever the environment says. This module and all it imports is loaded only when OTLP is on.
 */
export function startPipeline(
  settings: OtlpSettings,
  service: ServiceIdentity,
  env: NodeJS.ProcessEnv,
  ledger: OtlpLedger,
  health: ExportHealth,
  log: OtlpLog,
): Pipeline {
  routeDiagnostics(log, env['OTEL_LOG_LEVEL']);
  const collector = createCollectorExporter(settings);
  const processor = new BatchLogRecordProcessor({
    exporter: new CountingExporter(collector, ledger, health, settings.exportTimeoutMs),
    maxQueueSize: settings.queueSize,
    maxExportBatchSize: settings.batchSize,
    scheduledDelayMillis: settings.delayMs,
    exportTimeoutMillis: settings.exportTimeoutMs + BACKSTOP_MS,
  });
  const sdk = withoutLogLevel(
    env,
    () =>
      new NodeSDK({
        autoDetectResources: false,
        // The last word is OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME.
        resource: defaultResource()
          .merge(resourceFromAttributes(resourceAttributes(service, env)))
          .merge(detectResources({ detectors: [envDetector] })),
        logRecordProcessors: [processor],
        spanProcessors: [],
        metricReaders: [],
        instrumentations: [],
        textMapPropagator: null,
        // Null means none, which the types do not say; the default would track every promise of the process.
        contextManager: null as unknown as ContextManager,
      }),
  );
  logs.disable();
  sdk.start();
  const logger = logs.getLogger(service.name, service.version);
  if (!logger.enabled()) throw new Error('the OpenTelemetry SDK is disabled (OTEL_SDK_DISABLED)');
  return {
    emit: (record) => {
      const time: [number, number] = [Number(record.timestampNs / NS), Number(record.timestampNs % NS)];
      logger.emit({
        eventName: record.eventName,
        severityNumber: record.severityNumber,
        timestamp: time,
        observedTimestamp: time,
        body: record.body,
        attributes: record.attributes,
        context: ROOT_CONTEXT,
      });
    },
    flush: () => sdk.shutdown(),
    close: () => {
      collector.close();
      logs.disable();
    },
  };
}

/** NodeSDK would send the SDK's messages to the console when it sees this variable, which {@link routeDiagnostics} has followed. */
function withoutLogLevel<T>(env: NodeJS.ProcessEnv, build: () => T): T {
  const level = env['OTEL_LOG_LEVEL'];
  delete env['OTEL_LOG_LEVEL'];
  try {
    return build();
  } finally {
    if (level !== undefined) env['OTEL_LOG_LEVEL'] = level;
  }
}
