import { defaultEndpoint, otlpEndpoint } from './endpoint.js';
import { envValue, type Environment } from './environment.js';
import { otlpProtocol, type OtlpProtocol } from './protocol.js';

/** How records are sent; the rest (headers, compression, certificates) the OpenTelemetry SDK reads from the environment itself. */
export interface OtlpSettings {
  readonly protocol: OtlpProtocol;
  /** Full URL, path included. */
  readonly url: string;
  /** Most records taken and not yet exported or failed. */
  readonly queueSize: number;
  /** Most records in one request. */
  readonly batchSize: number;
  /** Longest wait for a batch to fill, milliseconds. */
  readonly delayMs: number;
  /** When a batch that is still under way, retries included, counts as failed; milliseconds. */
  readonly exportTimeoutMs: number;
  /** Settings that could not be followed, one sentence each. */
  readonly warnings: readonly string[];
}

/** What the exporter's own configuration says; empty or undefined leaves it to the environment. */
export interface OtlpOptions {
  readonly endpoint?: string;
  readonly queueSize?: number | undefined;
}

/** Bounds of the OTEL_BLRP_* numbers: a queue that fits the memory budget, and delays that fit a timer. */
const MAX_QUEUE = 65_536;
const MAX_MS = 86_400_000;

/** Settings from options, OTEL_* variables and the specification's defaults, in this order. Pure; never throws. */
export function otlpSettings(env: Environment, options: OtlpOptions = {}): OtlpSettings {
  const warnings: string[] = [];
  const { protocol, warning } = otlpProtocol(env);
  if (warning) warnings.push(warning);
  const number = (name: string, fallback: number, max: number): number => {
    const text = envValue(env, name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    warnings.push(`${name}='${text}' is no whole number from 1 to ${max}: ${fallback} is used`);
    return fallback;
  };
  const queueSize = options.queueSize ?? number('OTEL_BLRP_MAX_QUEUE_SIZE', 2048, MAX_QUEUE);
  return {
    protocol,
    url: otlpEndpoint(env, options.endpoint ?? '', protocol)?.url ?? defaultEndpoint(protocol),
    queueSize,
    batchSize: Math.min(number('OTEL_BLRP_MAX_EXPORT_BATCH_SIZE', 512, MAX_QUEUE), queueSize),
    delayMs: number('OTEL_BLRP_SCHEDULE_DELAY', 1000, MAX_MS),
    exportTimeoutMs: number('OTEL_BLRP_EXPORT_TIMEOUT', 30_000, MAX_MS),
    warnings,
  };
}
