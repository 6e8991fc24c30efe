import {
  JsonMetricsSerializer,
  MetricsExporterMetricsHelper,
  ProtobufMetricsSerializer,
  type IExportMetricsServiceResponse,
} from '@opentelemetry/otlp-transformer';
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { Encoding } from '../collector-exporter.js';
import { METRICS } from '../signal.js';

/** How metrics travel. */
export const METRIC_ENCODING: Encoding<ResourceMetrics, IExportMetricsServiceResponse> = {
  signal: METRICS,
  protobuf: ProtobufMetricsSerializer,
  json: JsonMetricsSerializer,
  helper: MetricsExporterMetricsHelper,
  grpc: ['MetricsExportService', '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'],
};

/** Data points of a request. */
export function pointsOf({ scopeMetrics }: ResourceMetrics): number {
  return scopeMetrics.reduce(
    (sum, { metrics }) => metrics.reduce((points, { dataPoints }) => points + dataPoints.length, sum),
    0,
  );
}
