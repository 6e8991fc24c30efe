import type { CollectorSettings } from '../../otlp/collector-exporter.js';
import { defaultEndpoint, otlpEndpoint } from '../../otlp/endpoint.js';
import type { Environment } from '../../otlp/environment.js';
import { MAX_MS, wholeNumber } from '../../otlp/numbers.js';
import { otlpProtocol } from '../../otlp/protocol.js';
import { LOGS } from '../../otlp/signal.js';

/** How records are sent; the rest (headers, compression, certificates) the OpenTelemetry SDK reads from the environment itself. */
export interface OtlpSettings extends CollectorSettings {
  /** Most records taken and not yet exported or failed. */
  readonly queueSize: number;
  /** Most records in one request. */
  readonly batchSize: number;
  /** Longest wait for a batch to fill, milliseconds. */
  readonly delayMs: number;
  /** Settings that could not be followed, one sentence each. */
  readonly warnings: readonly string[];
}

/** What the exporter's own configuration says; empty or undefined leaves it to the environment. */
export interface OtlpOptions {
  readonly endpoint?: string;
  readonly queueSize?: number | undefined;
}

/** Bound of the OTEL_BLRP_* sizes: a queue that fits the memory budget. */
const MAX_QUEUE = 65_536;

/** Settings from options, OTEL_* variables and the specification's defaults, in this order. Pure; never throws. */
export function otlpSettings(env: Environment, options: OtlpOptions = {}): OtlpSettings {
  const { protocol, warning } = otlpProtocol(env, LOGS);
  const warnings = warning ? [warning] : [];
  const number = (name: string, fallback: number, max: number) => wholeNumber(env, name, { fallback, max, warnings });
  const queueSize = options.queueSize ?? number('OTEL_BLRP_MAX_QUEUE_SIZE', 2048, MAX_QUEUE);
  return {
    protocol,
    url: otlpEndpoint(env, options.endpoint ?? '', protocol, LOGS)?.url ?? defaultEndpoint(protocol, LOGS),
    queueSize,
    batchSize: Math.min(number('OTEL_BLRP_MAX_EXPORT_BATCH_SIZE', 512, MAX_QUEUE), queueSize),
    delayMs: number('OTEL_BLRP_SCHEDULE_DELAY', 1000, MAX_MS),
    exportTimeoutMs: number('OTEL_BLRP_EXPORT_TIMEOUT', 30_000, MAX_MS),
    warnings,
  };
}
