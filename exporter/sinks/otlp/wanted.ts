import type { SinkDecision } from '../entry.js';
import { otlpEndpoint } from './endpoint.js';
import { envValue, type Environment } from './environment.js';
import { otlpProtocol } from './protocol.js';

export type OtlpDecision = Required<SinkDecision>;

/**
 * Whether log records are to be sent over OTLP. Off unless asked for by an endpoint or by OTEL_LOGS_EXPORTER=otlp; OTEL_SDK_DISABLED=true
 * and OTEL_LOGS_EXPORTER=none switch it off whatever else is set. Pure.
 */
export function otlpWanted(env: Environment, endpointOption: string): OtlpDecision {
  if (envValue(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return off('OTEL_SDK_DISABLED is true');

  const exporters = (envValue(env, 'OTEL_LOGS_EXPORTER') ?? '').split(',').map((name) => name.trim());
  if (exporters.includes('none')) return off('OTEL_LOGS_EXPORTER is none');
  const unknown = exporters.filter((name) => name !== '' && name !== 'otlp');
  const warning = unknown.length
    ? `OTEL_LOGS_EXPORTER: '${unknown.join(', ')}' is not supported, only otlp and none are`
    : undefined;
  const asked = exporters.includes('otlp');
  if (warning && !asked) return { wanted: false, reason: 'OTEL_LOGS_EXPORTER names no supported exporter', warning };

  const endpoint = otlpEndpoint(env, endpointOption, otlpProtocol(env).protocol);
  if (endpoint?.problem) return { wanted: false, reason: 'the endpoint is not valid', warning: endpoint.problem };
  if (endpoint) return { wanted: true, reason: `${endpoint.from} is set`, warning };
  if (asked) return { wanted: true, reason: 'OTEL_LOGS_EXPORTER is otlp', warning };
  return off('no OTLP endpoint is set');
}

function off(reason: string): OtlpDecision {
  return { wanted: false, reason, warning: undefined };
}
