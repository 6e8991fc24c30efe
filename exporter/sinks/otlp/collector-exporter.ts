import type { Agent } from 'node:http';
import type { IOtlpExportDelegate } from '@opentelemetry/otlp-exporter-base';
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
  getSharedConfigurationFromEnvironment,
} from '@opentelemetry/otlp-exporter-base/node-http';
import { convertLegacyOtlpGrpcOptions, createOtlpGrpcExportDelegate } from '@opentelemetry/otlp-grpc-exporter-base';
import { JsonLogsSerializer, LogsExporterMetricsHelper, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { OtlpProtocol } from './protocol.js';
import { RejectedRecords, type LogsSerializer } from './rejected-records.js';
import type { OtlpSettings } from './settings.js';

/** The SDK's OTLP exporter of one protocol, put together from the parts its own classes are made of, to see what was refused. */
export interface CollectorExporter {
  readonly delegate: IOtlpExportDelegate<ReadableLogRecord[]>;
  readonly rejected: RejectedRecords;
  /** Breaks off the requests under way. They end as failed soon, which nobody needs to wait for. */
  abort(): void;
  /** {@link abort}, and no request after it. */
  close(): void;
}

const EXPORTERS: Record<OtlpProtocol, (settings: OtlpSettings) => CollectorExporter> = {
  'http/protobuf': (settings) => httpExporter(settings, ProtobufLogsSerializer, 'application/x-protobuf'),
  'http/json': (settings) => httpExporter(settings, JsonLogsSerializer, 'application/json'),
  grpc: grpcExporter,
};

/** The time-out of the specification for one export, retries included, milliseconds. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** One batch is under way at a time; a second one only while the first, timed out, is being broken off. */
const CONCURRENT_EXPORTS = 4;

/** The exporter of the settings' protocol. Headers, time-out, compression and certificates come from OTEL_EXPORTER_OTLP_*. */
export function createCollectorExporter(settings: OtlpSettings): CollectorExporter {
  return EXPORTERS[settings.protocol](settings);
}

/** Whoever waits for an export gives up at exportTimeoutMs: nothing may go on behind its back. */
function sharedOptions({ url, exportTimeoutMs }: OtlpSettings) {
  const asked = getSharedConfigurationFromEnvironment('LOGS').timeoutMillis ?? DEFAULT_TIMEOUT_MS;
  return { url, timeoutMillis: Math.min(asked, exportTimeoutMs), concurrencyLimit: CONCURRENT_EXPORTS };
}

function httpExporter(settings: OtlpSettings, serializer: LogsSerializer, contentType: string): CollectorExporter {
  const rejected = new RejectedRecords(serializer);
  const options = convertLegacyHttpOptions(sharedOptions(settings), 'LOGS', 'v1/logs', { 'Content-Type': contentType });
  let agent: Agent | undefined;
  let closed = false;
  const controlled = {
    ...options,
    agentFactory: async (protocol: string) => (agent = await options.agentFactory(protocol)),
    headers: async () => {
      // Asked before every attempt: the only place where a retry can be stopped.
      if (closed) throw new Error('the exporter is closed');
      return options.headers();
    },
  };
  const delegate = createOtlpHttpExportDelegate(
    controlled,
    rejected,
    'otlp_http_log_exporter',
    LogsExporterMetricsHelper,
    undefined,
  );
  const abort = (): void => agent?.destroy();
  const close = (): void => {
    closed = true;
    abort();
  };
  return { delegate, rejected, abort, close };
}

function grpcExporter(settings: OtlpSettings): CollectorExporter {
  const rejected = new RejectedRecords(ProtobufLogsSerializer);
  const delegate = createOtlpGrpcExportDelegate(
    convertLegacyOtlpGrpcOptions(sharedOptions(settings), 'LOGS'),
    rejected,
    'otlp_grpc_log_exporter',
    LogsExporterMetricsHelper,
    undefined,
    'LogsExportService',
    '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  );
  // gRPC keeps its deadlines, so there is nothing to break off but the connection at the end.
  return { delegate, rejected, abort: () => undefined, close: () => void delegate.shutdown().catch(() => undefined) };
}
