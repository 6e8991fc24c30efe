import { envValue, type Environment } from './environment.js';
import type { OtlpProtocol } from './protocol.js';

/** Where log records go. */
export interface OtlpEndpoint {
  /** The full URL, path included; for grpc also `host:port`, which means TLS. */
  readonly url: string;
  /** The option or variable it came from. */
  readonly from: string;
  /** Why it cannot be used; undefined when it can. */
  readonly problem: string | undefined;
}

const LOGS_PATH = '/v1/logs';

/**
 * The endpoint asked for, undefined when none is: the option, else OTEL_EXPORTER_OTLP_LOGS_ENDPOINT (taken as it is), else
 * OTEL_EXPORTER_OTLP_ENDPOINT. The option and the last are base URLs: over HTTP they get /v1/logs appended, unless they end in it.
 */
export function otlpEndpoint(env: Environment, option: string, protocol: OtlpProtocol): OtlpEndpoint | undefined {
  const base = option.trim();
  if (base) return resolve(base, 'the OTLP endpoint option', protocol, true);
  const logs = envValue(env, 'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT');
  if (logs) return resolve(logs, 'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', protocol, false);
  const all = envValue(env, 'OTEL_EXPORTER_OTLP_ENDPOINT');
  return all ? resolve(all, 'OTEL_EXPORTER_OTLP_ENDPOINT', protocol, true) : undefined;
}

/** The specification's endpoint when OTLP is asked for without one. */
export function defaultEndpoint(protocol: OtlpProtocol): string {
  return protocol === 'grpc' ? 'http://localhost:4317' : `http://localhost:4318${LOGS_PATH}`;
}

/** The URL without user name, password and query, which may be secrets. */
export function printableUrl(url: string): string {
  const parsed = parse(url);
  return parsed?.host ? `${parsed.protocol}//${parsed.host}${parsed.pathname}` : url.replace(/^.*@/, '');
}

function resolve(given: string, from: string, protocol: OtlpProtocol, isBase: boolean): OtlpEndpoint {
  if (protocol === 'grpc') {
    const usable = /^(https?|unix):/.test(given) ? parse(given) : parse(`https://${given}`);
    return { url: given, from, problem: usable ? undefined : problem(given, from, 'http://host:4317') };
  }
  const url = parse(given);
  if (!url || !/^https?:$/.test(url.protocol)) {
    return { url: given, from, problem: problem(given, from, 'http://host:4318') };
  }
  const path = url.pathname.replace(/\/+$/, '');
  if (isBase) url.pathname = path.endsWith(LOGS_PATH) ? path : path + LOGS_PATH;
  return { url: url.href, from, problem: undefined };
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}

function problem(given: string, from: string, example: string): string {
  return `'${printableUrl(given)}' from ${from} is no URL such as ${example}`;
}
