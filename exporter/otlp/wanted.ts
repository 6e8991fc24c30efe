import { otlpEndpoint } from './endpoint.js';
import { envValue, type Environment } from './environment.js';
import { otlpProtocol } from './protocol.js';
import type { Signal } from './signal.js';

/** Whether a signal is to be sent, and why. */
export interface OtlpDecision {
  readonly wanted: boolean;
  /** Why, in one clause. */
  readonly reason: string;
  /** A setting that was ignored. */
  readonly warning: string | undefined;
}

/** What asks for a signal apart from OTEL_LOGS_EXPORTER or OTEL_METRICS_EXPORTER. */
export interface Asked {
  /** The endpoint option; empty leaves it to the environment. */
  readonly endpoint: string;
  /** The option that asks for the signal; undefined where an endpoint alone does. */
  readonly option?: { readonly flag: string; readonly isSet: boolean };
}

/**
 * Whether a signal is to be sent over OTLP. Off unless asked for by an endpoint (and, where there is one, by the signal's option) or by
 * its OTEL_..._EXPORTER=otlp; OTEL_SDK_DISABLED=true and OTEL_..._EXPORTER=none switch it off whatever else is set. Pure.
 */
export function otlpWanted(env: Environment, signal: Signal, { endpoint: given, option }: Asked): OtlpDecision {
  if (envValue(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return off('OTEL_SDK_DISABLED is true');

  const variable = `OTEL_${signal.variable}_EXPORTER`;
  const exporters = (envValue(env, variable) ?? '').split(',').map((name) => name.trim());
  if (exporters.includes('none')) return off(`${variable} is none`);
  const unknown = exporters.filter((name) => name !== '' && name !== 'otlp');
  const warning = unknown.length
    ? `${variable}: '${unknown.join(', ')}' is not supported, only otlp and none are`
    : undefined;
  const asked = exporters.includes('otlp');
  if (warning && !asked) return { wanted: false, reason: `${variable} names no supported exporter`, warning };
  if (option && !option.isSet && !asked) return off(`neither ${option.flag} nor ${variable}=otlp is set`);

  const endpoint = otlpEndpoint(env, given, otlpProtocol(env, signal).protocol, signal);
  if (endpoint?.problem) return { wanted: false, reason: 'the endpoint is not valid', warning: endpoint.problem };
  if (asked) return { wanted: true, reason: endpoint ? `${endpoint.from} is set` : `${variable} is otlp`, warning };
  if (endpoint) return { wanted: true, reason: `${endpoint.from} is set`, warning };
  if (option) return { wanted: false, reason: 'no OTLP endpoint is set', warning: noEndpoint(option.flag, signal) };
  return off('no OTLP endpoint is set');
}

function noEndpoint(flag: string, signal: Signal): string {
  const variables = `OTEL_EXPORTER_OTLP_${signal.variable}_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT`;
  return `${flag} has no effect without an endpoint: set --otlp-endpoint, ${variables}`;
}

function off(reason: string): OtlpDecision {
  return { wanted: false, reason, warning: undefined };
}
