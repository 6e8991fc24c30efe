import { envValue, type Environment } from './environment.js';
import type { OtlpProtocol } from './protocol.js';
import { SIGNALS, variablesOf, type Signal } from './signal.js';

/** Where the records of a signal go. */
export interface OtlpEndpoint {
  /** The full URL, path included; for grpc also `host:port`, which means TLS. */
  readonly url: string;
  /** The option or variable it came from. */
  readonly from: string;
  /** Why it cannot be used; undefined when it can. */
  readonly problem: string | undefined;
}

/**
 * The endpoint asked for, undefined when none is: the option, else the signal's own variable (taken as it is), else
 * OTEL_EXPORTER_OTLP_ENDPOINT. The option and the last are base URLs: over HTTP they get the signal's path appended, in place of
 * that of any signal.
 */
export function otlpEndpoint(
  env: Environment,
  option: string,
  protocol: OtlpProtocol,
  signal: Signal,
): OtlpEndpoint | undefined {
  const base = option.trim();
  if (base) return resolve(base, 'the OTLP endpoint option', protocol, signal.path);
  const [own, shared] = variablesOf(signal, 'ENDPOINT');
  const exact = envValue(env, own);
  if (exact) return resolve(exact, own, protocol, undefined);
  const all = envValue(env, shared);
  return all ? resolve(all, shared, protocol, signal.path) : undefined;
}

/** The specification's endpoint when OTLP is asked for without one. */
export function defaultEndpoint(protocol: OtlpProtocol, signal: Signal): string {
  return protocol === 'grpc' ? 'http://localhost:4317' : `http://localhost:4318${signal.path}`;
}

/** The URL without user name, password and query, which may be secrets. */
export function printableUrl(url: string): string {
  const parsed = parse(url);
  return parsed?.host ? `${parsed.protocol}//${parsed.host}${parsed.pathname}` : url.replace(/^.*@/, '');
}

/** @param path what a base URL gets appended; undefined for a URL to be taken as it is */
function resolve(given: string, from: string, protocol: OtlpProtocol, path: string | undefined): OtlpEndpoint {
  if (protocol === 'grpc') {
    const usable = /^(https?|unix):/.test(given) ? parse(given) : parse(`https://${given}`);
    return { url: given, from, problem: usable ? undefined : problem(given, from, 'http://host:4317') };
  }
  const url = parse(given);
  if (!url || !/^https?:$/.test(url.protocol)) {
    return { url: given, from, problem: problem(given, from, 'http://host:4318') };
  }
  if (path !== undefined) url.pathname = withoutSignal(url.pathname) + path;
  return { url: url.href, from, problem: undefined };
}

function withoutSignal(pathname: string): string {
  const path = pathname.replace(/\/+$/, '');
  const ending = SIGNALS.find((signal) => path.endsWith(signal.path));
  return ending ? path.slice(0, -ending.path.length) : path;
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}

function problem(given: string, from: string, example: string): string {
  return `'${printableUrl(given)}' from ${from} is no URL such as ${example}`;
}
