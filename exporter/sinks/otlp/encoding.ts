import {
  JsonLogsSerializer,
  LogsExporterMetricsHelper,
  ProtobufLogsSerializer,
  type IExportLogsServiceResponse,
} from '@opentelemetry/otlp-transformer';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { Encoding } from '../../otlp/collector-exporter.js';
import { LOGS } from '../../otlp/signal.js';

/** How log records travel. */
export const LOG_ENCODING: Encoding<ReadableLogRecord[], IExportLogsServiceResponse> = {
  signal: LOGS,
  protobuf: ProtobufLogsSerializer,
  json: JsonLogsSerializer,
  helper: LogsExporterMetricsHelper,
  grpc: ['LogsExportService', '/opentelemetry.proto.collector.logs.v1.LogsService/Export'],
};
