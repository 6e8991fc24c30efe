import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';

/** One log record as it came over the wire, with the resource and scope it came under. A field that was not sent is undefined. */
export interface ReceivedRecord {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: { readonly name?: string; readonly version?: string };
  readonly eventName: string | undefined;
  readonly severityNumber: number | undefined;
  readonly severityText: string | undefined;
  readonly timeUnixNano: bigint | undefined;
  readonly observedTimeUnixNano: bigint | undefined;
  readonly body: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/**
 * What both signals have in common. Field numbers of the public OTLP definitions, written down here so that no code of the sender
 * decodes what it sent.
 */
export const OTLP_COMMON = `syntax = "proto3";
package opentelemetry.proto;
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Scope { string name = 1; string version = 2; }`;

const OTLP = `${OTLP_COMMON}
message LogRecord {
  fixed64 time_unix_nano = 1; int32 severity_number = 2; string severity_text = 3; AnyValue body = 5;
  repeated KeyValue attributes = 6; fixed64 observed_time_unix_nano = 11; string event_name = 12;
}
message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; }
message ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1; }
message PartialSuccess { int64 rejected_log_records = 1; string error_message = 2; }
message ExportLogsServiceResponse { PartialSuccess partial_success = 1; }`;

const root = protobuf.parse(OTLP).root;
const ownRequest = root.lookupType('ExportLogsServiceRequest');
const response = root.lookupType('ExportLogsServiceResponse');

/** Decodes the body of an OTLP logs request in protobuf. @param request another definition of the message, e.g. the official one */
export function decodeLogs(body: Buffer, contentEncoding = '', request: protobuf.Type = ownRequest): ReceivedRecord[] {
  const message = request.decode(plain(body, contentEncoding));
  return flatten(request.toObject(message, { longs: String, enums: Number }));
}

/** The same for the JSON encoding. */
export function decodeJsonLogs(body: Buffer, contentEncoding = ''): ReceivedRecord[] {
  return flatten(JSON.parse(plain(body, contentEncoding).toString('utf8')));
}

/** The body of an answer that refuses `rejected` records; 0 gives the empty body of a full success. */
export function encodeAnswer(rejected: number): Buffer {
  const partialSuccess = { rejectedLogRecords: rejected, errorMessage: 'too old' };
  return Buffer.from(response.encode(response.fromObject(rejected ? { partialSuccess } : {})).finish());
}

/** The body as it was before compression. */
export function plain(body: Buffer, contentEncoding: string): Buffer {
  return contentEncoding === 'gzip' ? gunzipSync(body) : body;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- decoded bytes have no type */
function flatten(request: any): ReceivedRecord[] {
  const records: ReceivedRecord[] = [];
  for (const group of request.resourceLogs ?? []) {
    for (const { scope, logRecords } of group.scopeLogs ?? []) {
      for (const record of logRecords ?? []) {
        records.push({
          resource: attributesOf(group.resource?.attributes),
          scope: { name: scope?.name, version: scope?.version },
          eventName: record.eventName,
          severityNumber: record.severityNumber,
          severityText: record.severityText,
          timeUnixNano: record.timeUnixNano === undefined ? undefined : BigInt(record.timeUnixNano),
          observedTimeUnixNano:
            record.observedTimeUnixNano === undefined ? undefined : BigInt(record.observedTimeUnixNano),
          body: valueOf(record.body),
          attributes: attributesOf(record.attributes),
        });
      }
    }
  }
  return records;
}

/** Attributes by key. */
export function attributesOf(pairs: any[] = []): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf(any: any): unknown {
  if (any?.intValue !== undefined) return Number(any.intValue);
  return any?.stringValue ?? any?.doubleValue ?? any?.boolValue;
}
