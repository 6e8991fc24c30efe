import { envValue, type Environment } from './environment.js';
import { variablesOf, type Signal } from './signal.js';

/** The OTLP transports, by their names in OTEL_EXPORTER_OTLP_PROTOCOL. */
export const OTLP_PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const;
export type OtlpProtocol = (typeof OTLP_PROTOCOLS)[number];

/**
 * The protocol of the signal's own variable, else of OTEL_EXPORTER_OTLP_PROTOCOL, else http/protobuf. An unknown name gives
 * http/protobuf and a warning.
 */
export function otlpProtocol(
  env: Environment,
  signal: Signal,
): { protocol: OtlpProtocol; warning: string | undefined } {
  const asked = envValue(env, ...variablesOf(signal, 'PROTOCOL')) || 'http/protobuf';
  const known = OTLP_PROTOCOLS.find((protocol) => protocol === asked);
  if (known) return { protocol: known, warning: undefined };
  return {
    protocol: 'http/protobuf',
    warning: `OTLP protocol '${asked}' is not one of ${OTLP_PROTOCOLS.join(', ')}: http/protobuf is used`,
  };
}
