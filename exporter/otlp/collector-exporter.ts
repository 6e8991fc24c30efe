import type { Agent } from 'node:http';
import type { IOtlpExportDelegate } from '@opentelemetry/otlp-exporter-base';
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
  getSharedConfigurationFromEnvironment,
} from '@opentelemetry/otlp-exporter-base/node-http';
import { convertLegacyOtlpGrpcOptions, createOtlpGrpcExportDelegate } from '@opentelemetry/otlp-grpc-exporter-base';
import type { IExporterMetricsHelper, ISerializer } from '@opentelemetry/otlp-transformer';
import type { OtlpProtocol } from './protocol.js';
import { RejectedRecords } from './rejected-records.js';
import type { Signal } from './signal.js';

/** Where the requests of a signal go; headers, compression and certificates the SDK reads from the environment itself. */
export interface CollectorSettings {
  readonly protocol: OtlpProtocol;
  /** Full URL, path included. */
  readonly url: string;
  /** When an export that is still under way, retries included, counts as failed; milliseconds. */
  readonly exportTimeoutMs: number;
}

/** What the SDK's own exporter of a signal is made of. */
export interface Encoding<Request, Response extends object> {
  readonly signal: Signal;
  readonly protobuf: ISerializer<Request, Response>;
  readonly json: ISerializer<Request, Response>;
  readonly helper: IExporterMetricsHelper<Request>;
  /** Name and path of the gRPC method. */
  readonly grpc: readonly [name: string, path: string];
}

/** The SDK's OTLP exporter of one protocol, put together from the parts its own classes are made of, to see what was refused. */
export interface CollectorExporter<Request> {
  readonly delegate: IOtlpExportDelegate<Request>;
  /** Records that the last answer refused, forgotten once asked. */
  takeRejected(): number;
  /** Breaks off the requests under way. They end as failed soon, which nobody needs to wait for. */
  abort(): void;
  /** {@link abort}, and no request after it. */
  close(): void;
}

/** The time-out of the specification for one export, retries included, milliseconds. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** One batch is under way at a time; a second one only while the first, timed out, is being broken off. */
const CONCURRENT_EXPORTS = 4;

/** The exporter of the settings' protocol. Headers, time-out, compression and certificates come from OTEL_EXPORTER_OTLP_*. */
export function createCollectorExporter<Request, Response extends object>(
  encoding: Encoding<Request, Response>,
  settings: CollectorSettings,
): CollectorExporter<Request> {
  switch (settings.protocol) {
    case 'http/protobuf':
      return httpExporter(encoding, settings, encoding.protobuf, 'application/x-protobuf');
    case 'http/json':
      return httpExporter(encoding, settings, encoding.json, 'application/json');
    case 'grpc':
      return grpcExporter(encoding, settings);
  }
}

/** Whoever waits for an export gives up at exportTimeoutMs: nothing may go on behind its back. */
function sharedOptions({ variable }: Signal, { url, exportTimeoutMs }: CollectorSettings) {
  const asked = getSharedConfigurationFromEnvironment(variable).timeoutMillis ?? DEFAULT_TIMEOUT_MS;
  return { url, timeoutMillis: Math.min(asked, exportTimeoutMs), concurrencyLimit: CONCURRENT_EXPORTS };
}

function httpExporter<Request, Response extends object>(
  { signal, helper }: Encoding<Request, Response>,
  settings: CollectorSettings,
  serializer: ISerializer<Request, Response>,
  contentType: string,
): CollectorExporter<Request> {
  const rejected = new RejectedRecords(serializer);
  const options = convertLegacyHttpOptions(sharedOptions(signal, settings), signal.variable, signal.path.slice(1), {
    'Content-Type': contentType,
  });
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
  const component = `otlp_http_${signal.name}_exporter`;
  const delegate = createOtlpHttpExportDelegate(controlled, rejected, component, helper, undefined);
  const abort = (): void => agent?.destroy();
  const close = (): void => {
    closed = true;
    abort();
  };
  return { delegate, takeRejected: () => rejected.take(), abort, close };
}

function grpcExporter<Request, Response extends object>(
  { signal, helper, protobuf, grpc }: Encoding<Request, Response>,
  settings: CollectorSettings,
): CollectorExporter<Request> {
  const rejected = new RejectedRecords(protobuf);
  const options = convertLegacyOtlpGrpcOptions(sharedOptions(signal, settings), signal.variable);
  const component = `otlp_grpc_${signal.name}_exporter`;
  const delegate = createOtlpGrpcExportDelegate(options, rejected, component, helper, undefined, ...grpc);
  return {
    delegate,
    takeRejected: () => rejected.take(),
    // gRPC keeps its deadlines, so there is nothing to break off but the connection at the end.
    abort: () => undefined,
    close: () => void delegate.shutdown().catch(() => undefined),
  };
}
