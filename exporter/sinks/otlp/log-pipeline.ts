import { ROOT_CONTEXT } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { createCollectorExporter } from '../../otlp/collector-exporter.js';
import { CountingExporter } from '../../otlp/counting-exporter.js';
import { routeDiagnostics } from '../../otlp/diagnostics.js';
import type { ExportHealth } from '../../otlp/export-health.js';
import { startSdk, type SdkContext } from '../../otlp/sdk.js';
import type { LogRecord } from '../../pipeline/log/log-record.js';
import { LOG_ENCODING } from './encoding.js';
import type { OtlpLedger } from './ledger.js';
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

/** Starts the SDK with logs. This module and all it imports is loaded only when OTLP is on. */
export function startPipeline(
  settings: OtlpSettings,
  context: SdkContext,
  ledger: OtlpLedger,
  health: ExportHealth,
): Pipeline {
  routeDiagnostics(context);
  const collector = createCollectorExporter(LOG_ENCODING, settings);
  const accounting = {
    sizeOf: (records: readonly unknown[]) => records.length,
    settle: (exported: number, failed: number) => ledger.settle(exported, failed),
    health,
  };
  const processor = new BatchLogRecordProcessor({
    exporter: new CountingExporter(collector, accounting, settings.exportTimeoutMs),
    maxQueueSize: settings.queueSize,
    maxExportBatchSize: settings.batchSize,
    scheduledDelayMillis: settings.delayMs,
    exportTimeoutMillis: settings.exportTimeoutMs + BACKSTOP_MS,
  });
  logs.disable();
  const sdk = startSdk(context, { logRecordProcessors: [processor] });
  const logger = logs.getLogger(context.service.name, context.service.version);
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
