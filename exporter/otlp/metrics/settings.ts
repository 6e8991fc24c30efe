import type { CollectorSettings } from '../collector-exporter.js';
import { defaultEndpoint, otlpEndpoint } from '../endpoint.js';
import { envValue, type Environment } from '../environment.js';
import { MAX_MS, wholeNumber } from '../numbers.js';
import { otlpProtocol } from '../protocol.js';
import { METRICS } from '../signal.js';

/** How metrics are pushed; the rest (headers, compression, certificates) the OpenTelemetry SDK reads from the environment itself. */
export interface PushSettings extends CollectorSettings {
  /** From one push to the next, milliseconds. */
  readonly intervalMs: number;
  /** Settings that could not be followed, one sentence each. */
  readonly warnings: readonly string[];
}

const TEMPORALITY = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE';
const INTERVAL = 'OTEL_METRIC_EXPORT_INTERVAL';
const TIMEOUT = 'OTEL_METRIC_EXPORT_TIMEOUT';

/** Settings from the endpoint option, OTEL_* variables and the specification's defaults, in this order. Pure; never throws. */
export function pushSettings(env: Environment, endpoint: string): PushSettings {
  const { protocol, warning } = otlpProtocol(env, METRICS);
  const warnings = warning ? [warning] : [];
  const intervalMs = wholeNumber(env, INTERVAL, { fallback: 60_000, max: MAX_MS, warnings });
  const timeoutMs = wholeNumber(env, TIMEOUT, { fallback: 30_000, max: MAX_MS, warnings });
  if (timeoutMs > intervalMs && envValue(env, TIMEOUT) !== undefined)
    warnings.push(`${TIMEOUT}=${timeoutMs} is longer than the interval of ${intervalMs} ms, which is used instead`);
  const temporality = envValue(env, TEMPORALITY) ?? 'cumulative';
  if (temporality.toLowerCase() !== 'cumulative')
    warnings.push(
      `${TEMPORALITY}='${temporality}' is not followed: metrics are cumulative. Put a cumulativetodelta processor into the collector if your backend needs delta`,
    );
  return {
    protocol,
    url: otlpEndpoint(env, endpoint, protocol, METRICS)?.url ?? defaultEndpoint(protocol, METRICS),
    intervalMs,
    exportTimeoutMs: Math.min(timeoutMs, intervalMs),
    warnings,
  };
}
