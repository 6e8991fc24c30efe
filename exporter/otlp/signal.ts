import type { OtlpSignal } from '../names.js';

/** What differs between the signals of OTLP; the rest of this room is the same for both. */
export interface Signal {
  readonly name: OtlpSignal;
  /** The signal's part in OTEL_EXPORTER_OTLP_LOGS_ENDPOINT and its like. */
  readonly variable: 'LOGS' | 'METRICS';
  /** Path over HTTP, appended to a base URL. */
  readonly path: string;
  /** What one record of the signal is called, in the plural. */
  readonly records: string;
}

export const LOGS: Signal = { name: 'logs', variable: 'LOGS', path: '/v1/logs', records: 'log records' };
export const METRICS: Signal = { name: 'metrics', variable: 'METRICS', path: '/v1/metrics', records: 'data points' };
export const SIGNALS = [LOGS, METRICS] as const;

/** The variables of one setting, such as `ENDPOINT`: the signal's own comes first and wins. */
export function variablesOf(signal: Signal, setting: string): readonly [own: string, shared: string] {
  return [`OTEL_EXPORTER_OTLP_${signal.variable}_${setting}`, `OTEL_EXPORTER_OTLP_${setting}`];
}
