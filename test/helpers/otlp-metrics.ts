import protobuf from 'protobufjs';
import { attributesOf, OTLP_COMMON, plain } from './otlp.js';

/** One data point as it came over the wire. */
export interface ReceivedPoint {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** 0 where none was given. */
  readonly startNs: bigint;
  readonly timeNs: bigint;
  /** Of a sum or gauge. */
  readonly value: number | undefined;
  readonly histogram:
    | {
        readonly count: number;
        readonly sum: number;
        readonly bounds: readonly number[];
        readonly counts: readonly number[];
      }
    | undefined;
}

export interface ReceivedMetric {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly kind: 'sum' | 'gauge' | 'histogram';
  /** 2 = cumulative; undefined for a gauge. */
  readonly temporality: number | undefined;
  readonly isMonotonic: boolean;
  readonly points: readonly ReceivedPoint[];
}

/** One request, with the resource and scope of its metrics. */
export interface ReceivedMetrics {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: { readonly name?: string; readonly version?: string };
  readonly metrics: readonly ReceivedMetric[];
}

const OTLP = `${OTLP_COMMON}
message NumberDataPoint {
  fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; oneof value { double as_double = 4; sfixed64 as_int = 6; }
  repeated KeyValue attributes = 7;
}
message HistogramDataPoint {
  fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4; optional double sum = 5;
  repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7; repeated KeyValue attributes = 9;
}
message Gauge { repeated NumberDataPoint data_points = 1; }
message Sum { repeated NumberDataPoint data_points = 1; int32 aggregation_temporality = 2; bool is_monotonic = 3; }
message Histogram { repeated HistogramDataPoint data_points = 1; int32 aggregation_temporality = 2; }
message Metric {
  string name = 1; string description = 2; string unit = 3;
  oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; }
}
message ScopeMetrics { Scope scope = 1; repeated Metric metrics = 2; }
message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
message ExportMetricsServiceRequest { repeated ResourceMetrics resource_metrics = 1; }`;

const ownRequest = protobuf.parse(OTLP).root.lookupType('ExportMetricsServiceRequest');

/** Decodes the body of an OTLP metrics request in protobuf. @param request another definition of the message, e.g. the official one */
export function decodeMetrics(
  body: Buffer,
  contentEncoding = '',
  request: protobuf.Type = ownRequest,
): ReceivedMetrics {
  const message = request.decode(plain(body, contentEncoding));
  return received(request.toObject(message, { longs: String, enums: Number }));
}

/** The same for the JSON encoding. */
export function decodeJsonMetrics(body: Buffer, contentEncoding = ''): ReceivedMetrics {
  return received(JSON.parse(plain(body, contentEncoding).toString('utf8')));
}

/** The points of a metric, whose attributes include these. */
export function pointsOf(
  request: ReceivedMetrics | undefined,
  name: string,
  attributes: Readonly<Record<string, unknown>> = {},
): ReceivedPoint[] {
  const points = request?.metrics.filter((metric) => metric.name === name).flatMap((metric) => metric.points) ?? [];
  return points.filter((point) => Object.entries(attributes).every(([key, value]) => point.attributes[key] === value));
}

/* eslint-disable @typescript-eslint/no-explicit-any -- decoded bytes have no type */
function received({ resourceMetrics: [group] = [] }: any): ReceivedMetrics {
  const [{ scope, metrics = [] }] = group.scopeMetrics;
  return { resource: attributesOf(group.resource?.attributes), scope, metrics: metrics.map(metricOf) };
}

function metricOf({ name, description = '', unit = '', ...data }: any): ReceivedMetric {
  const kind = data.sum ? 'sum' : data.histogram ? 'histogram' : 'gauge';
  const { aggregationTemporality: temporality, isMonotonic = false, dataPoints = [] } = data[kind];
  return { name, description, unit, kind, temporality, isMonotonic, points: dataPoints.map(pointOf) };
}

function pointOf(point: any): ReceivedPoint {
  const value = point.asDouble ?? point.asInt;
  return {
    attributes: attributesOf(point.attributes),
    startNs: BigInt(point.startTimeUnixNano ?? 0),
    timeNs: BigInt(point.timeUnixNano ?? 0),
    value: value === undefined ? undefined : Number(value),
    histogram: point.explicitBounds && {
      count: Number(point.count ?? 0),
      sum: Number(point.sum ?? 0),
      bounds: point.explicitBounds,
      counts: point.bucketCounts.map(Number),
    },
  };
}
