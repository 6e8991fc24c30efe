import { quote } from '../config/problem.js';
import { parseYaml } from '../config/yaml.js';
import type { TokenBucketOptions } from '../time/token-bucket.js';
import { CIPHER_SUITES, CURVES, isTls13Suite, OLD_TLS_VERSIONS, TLS_VERSIONS, type TlsVersion } from './go-names.js';
import { Section } from './section.js';

/** What a web configuration file asks for, checked; the files it names are not read yet. */
export interface WebConfig {
  readonly tls: TlsSettings | undefined;
  /** Headers of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** User to bcrypt hash; empty = no basic authentication. */
  readonly users: ReadonlyMap<string, string>;
  readonly rateLimit: TokenBucketOptions | undefined;
}

export interface TlsSettings {
  readonly cert: PemSource;
  readonly key: PemSource;
  readonly clientCa: PemSource | undefined;
  readonly clientAuth: ClientAuth;
  readonly allowedSans: readonly string[] | undefined;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL list. */
  readonly ciphers: string;
  /** OpenSSL list, or auto. */
  readonly curves: string;
  readonly serverPrefers: boolean;
}

/** PEM text from the configuration or from a file of its own. `key` says where, for messages. */
export type PemSource = { readonly key: string } & ({ readonly file: string } | { readonly text: string });

/** From the weakest to the strongest; what each demands is in client-certificate.ts. */
export const CLIENT_AUTH = [
  'NoClientCert',
  'RequestClientCert',
  'VerifyClientCertIfGiven',
  'RequireAnyClientCert',
  'RequireAndVerifyClientCert',
] as const;
export type ClientAuth = (typeof CLIENT_AUTH)[number];

/** The headers the format allows, with their values where those are fixed. */
const HEADERS: Readonly<Record<string, readonly string[] | undefined>> = {
  'Content-Security-Policy': undefined,
  'X-Frame-Options': ['deny', 'sameorigin'],
  'X-Content-Type-Options': ['nosniff'],
  'X-XSS-Protection': undefined,
  'Strict-Transport-Security': undefined,
};

/** Each step doubles the work: 14 takes some seconds of CPU for every first sign-in after a restart. */
const BCRYPT_COST = { min: 4, max: 14 };
const MOST_USERS = 256;

/**
 * Reads the text of a web configuration file, version 1 of the format of Prometheus' exporter toolkit. Never throws. Every problem
 * is reported at once; none quotes a secret.
 */
export function parseWebConfig(text: string): { readonly config: WebConfig; readonly problems: readonly string[] } {
  const parsed = parseYaml(text);
  const problems: string[] = 'faults' in parsed ? [...parsed.faults] : [];
  const root = 'faults' in parsed ? undefined : Section.of(parsed.content, '', problems);
  const config: WebConfig = {
    tls: root && readTls(root),
    headers: (root && readHttp(root)) ?? {},
    users: (root && readUsers(root)) ?? new Map(),
    rateLimit: root && readRateLimit(root),
  };
  root?.end();
  return { config, problems };
}

function readTls(root: Section): TlsSettings | undefined {
  const tls = root.section('tls_server_config');
  if (tls === undefined) return undefined;
  const cert = readPem(tls, 'cert', true);
  const key = readPem(tls, 'key', true);
  const clientCa = readPem(tls, 'client_ca', false);
  const clientAuth = tls.choice('client_auth_type', [...CLIENT_AUTH, 'RequireClientCert'], 'NoClientCert');
  const allowedSans = tls.list('client_allowed_sans');
  const { minVersion, maxVersion } = readVersions(tls);
  const settings = {
    clientCa,
    // The old name, which the format still allows.
    clientAuth: clientAuth === 'RequireClientCert' ? 'RequireAnyClientCert' : clientAuth,
    allowedSans,
    minVersion,
    maxVersion,
    ciphers: readCiphers(tls, maxVersion),
    curves: translate(tls, 'curve_preferences', CURVES)?.join(':') ?? 'auto',
    serverPrefers: tls.flag('prefer_server_cipher_suites', true),
  } as const;
  checkClientAuth(tls, settings.clientAuth, clientCa !== undefined, allowedSans !== undefined);
  tls.end();
  return cert && key && { cert, key, ...settings };
}

/** `<name>` holds the PEM text itself, `<name>_file` names its file. */
function readPem(tls: Section, name: string, needed: boolean): PemSource | undefined {
  const file = tls.text(`${name}_file`);
  const text = tls.text(name);
  if (file && text) tls.wrong(name, `and ${name}_file cannot both be there`);
  if (file) return { key: tls.at(`${name}_file`), file };
  if (text) return { key: tls.at(name), text };
  if (needed) tls.wrong(`${name}_file`, `is missing (or ${name} with the PEM text itself)`);
  else if (file === '' || text === '') tls.wrong(file === '' ? `${name}_file` : name, 'is empty');
  return undefined;
}

function checkClientAuth(tls: Section, clientAuth: ClientAuth, hasCa: boolean, hasSans: boolean): void {
  const verifies = clientAuth === 'VerifyClientCertIfGiven' || clientAuth === 'RequireAndVerifyClientCert';
  if (verifies && !hasCa && !tls.has('client_ca_file') && !tls.has('client_ca')) {
    tls.wrong('client_ca_file', `is missing: ${clientAuth} needs the authority that client certificates come from`);
  }
  if (hasCa && clientAuth === 'NoClientCert') {
    tls.wrong('client_ca_file', 'has no effect without client_auth_type: RequireAndVerifyClientCert');
  }
  if (hasSans && clientAuth !== 'RequireAnyClientCert' && clientAuth !== 'RequireAndVerifyClientCert') {
    tls.wrong('client_allowed_sans', 'needs client_auth_type: RequireAndVerifyClientCert or RequireAnyClientCert');
  }
}

function readVersions(tls: Section): Pick<TlsSettings, 'minVersion' | 'maxVersion'> {
  const read = (key: string, byDefault: keyof typeof TLS_VERSIONS): keyof typeof TLS_VERSIONS => {
    const text = tls.text(key) ?? byDefault;
    if (text in TLS_VERSIONS) return text as keyof typeof TLS_VERSIONS;
    const why = OLD_TLS_VERSIONS.includes(text) ? 'which is broken' : 'which is no TLS version';
    tls.wrong(key, `is ${quote(text)}, ${why}; it must be TLS12 or TLS13`);
    return byDefault;
  };
  const min = read('min_version', 'TLS12');
  const max = read('max_version', 'TLS13');
  if (min > max) tls.wrong('min_version', `${min} is above max_version ${max}`);
  return { minVersion: TLS_VERSIONS[min], maxVersion: TLS_VERSIONS[max] };
}

/** As in Go, the list is about TLS 1.2; the suites of TLS 1.3 stay as long as that version is served. */
function readCiphers(tls: Section, maxVersion: TlsVersion): string {
  const all = [...CIPHER_SUITES.values()];
  const wanted = translate(tls, 'cipher_suites', CIPHER_SUITES) ?? all;
  const tls12 = wanted.filter((suite) => !isTls13Suite(suite));
  if (maxVersion === 'TLSv1.2' && tls12.length === 0) tls.wrong('cipher_suites', 'has no suite of TLS 1.2');
  return [...(maxVersion === 'TLSv1.2' ? [] : all.filter(isTls13Suite)), ...tls12].join(':');
}

function translate(tls: Section, key: string, names: ReadonlyMap<string, string>): readonly string[] | undefined {
  return tls.list(key)?.flatMap((name) => {
    const known = names.get(name);
    if (known === undefined) tls.wrong(key, `has ${quote(name)}; known are ${[...names.keys()].join(', ')}`);
    return known ?? [];
  });
}

function readHttp(root: Section): Record<string, string> {
  const http = root.section('http_server_config');
  if (http === undefined) return {};
  // Only HTTP/1.1 is spoken. `true` merely allows HTTP/2, so it is not an error.
  http.flag('http2', true);
  const section = http.section('headers');
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(HEADERS)) {
    const value = section?.text(name) ?? '';
    // Blank means unset.
    if (section === undefined || value === '') continue;
    if (values !== undefined && !values.includes(value)) section.wrong(name, `must be ${values.join(' or ')}`);
    else if (!/^[\t\x20-\x7e]+$/.test(value)) section.wrong(name, 'must be one line of printable ASCII');
    else headers[name] = value;
  }
  section?.end();
  http.end();
  return headers;
}

function readUsers(root: Section): ReadonlyMap<string, string> {
  const section = root.section('basic_auth_users');
  const users = new Map<string, string>();
  if (section === undefined) return users;
  if (section.keys.length > MOST_USERS) root.wrong('basic_auth_users', `has more than ${MOST_USERS} users`);
  for (const user of section.keys) {
    const hash = section.text(user);
    if (hash === undefined) continue;
    const cost = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash)?.[1];
    const label = `basic_auth_users.${quote(user)}`;
    if (user === '' || user.includes(':')) root.problems.push(`${label} is no user name: it is empty or has a colon`);
    else if (cost === undefined)
      root.problems.push(`${label} is no bcrypt hash; "htpasswd -nBC 10 ${quote(user).slice(1, -1)}" makes one`);
    else if (Number(cost) < BCRYPT_COST.min || Number(cost) > BCRYPT_COST.max)
      root.problems.push(
        `${label} has bcrypt cost ${Number(cost)}; it must be ${BCRYPT_COST.min} to ${BCRYPT_COST.max}, because each step doubles the time of a sign-in`,
      );
    else users.set(user, hash);
  }
  return users;
}

function readRateLimit(root: Section): TokenBucketOptions | undefined {
  const section = root.section('rate_limit');
  if (section === undefined) return undefined;
  const interval = section.text('interval') ?? '0';
  const intervalMs = parseGoDuration(interval);
  if (intervalMs === undefined)
    section.wrong('interval', `is ${quote(interval)}; it must be a duration such as 100ms or 1s`);
  const text = section.text('burst') ?? '0';
  const burst = /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  if (burst === undefined) section.wrong('burst', 'must be a whole number');
  section.end();
  if (!intervalMs || burst === undefined) return undefined;
  if (burst > 0) return { intervalMs, burst };
  section.wrong('burst', 'must be 1 or more: without it no request would ever be answered');
  return undefined;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration as Go writes it (`1m30s`), in milliseconds; a plain 0 needs no unit. */
function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h)){1,6}$/.test(text)) return undefined;
  const parts = text.matchAll(/([\d.]+)([a-zµ]+)/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS_MS[unit ?? ''] ?? NaN), 0);
}
