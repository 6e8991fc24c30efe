import { isIPv4, isIPv6 } from 'node:net';
import { constants } from 'node:os';

/** What a parser made of one text: a value, or one clause that ends a sentence beginning with the option's name. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };
/** Total: returns a problem instead of throwing, whatever the text. Never puts the text itself into the problem. */
export type Parser<T> = (text: string) => Parsed<T>;

/** Where to listen. An empty host means all interfaces, IPv6 and IPv4; port 0 lets the kernel choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `true` and `false` in any case. */
export const parseSwitch: Parser<boolean> = (text) => {
  const word = text.toLowerCase();
  if (word === 'true' || word === 'false') return { value: word === 'true' };
  return { problem: 'must be true or false' };
};

/** One of a fixed set of words. */
export function parseChoice<const Words extends readonly string[]>(words: Words): Parser<Words[number]> {
  return (text) => {
    const value = words.find((word) => word === text);
    return value === undefined ? { problem: `must be one of ${words.join(', ')}` } : { value };
  };
}

/** A whole number in decimal digits. */
export function parseInteger(least: number, most: number): Parser<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    return value >= least && value <= most ? { value } : { problem: `must be a whole number from ${least} to ${most}` };
  };
}

/** A decimal number, without exponent. */
export function parseNumber(least: number, most: number): Parser<number> {
  return (text) => {
    const value = /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : NaN;
    return value >= least && value <= most ? { value } : { problem: `must be a number from ${least} to ${most}` };
  };
}

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000 } as const;

/** A duration with its unit (`250ms`, `1.5s`, `1m`), in milliseconds. Bounds are given in the same form. */
export function parseDuration(least: string, most: string): Parser<number> {
  return scaled(MILLISECONDS, least, most, 'a duration with its unit (ms, s or m)');
}

/** A duration as {@link parseDuration} takes it, or `off`, which is 0. */
export function parseInterval(least: string, most: string): Parser<number> {
  const parse = parseDuration(least, most);
  return (text) => {
    if (text === 'off') return { value: 0 };
    const parsed = parse(text);
    return 'problem' in parsed ? { problem: `${parsed.problem}, or off` } : parsed;
  };
}

const BYTES = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** A size with its unit (`512KiB`, `4MiB`), in bytes. Bounds are given in the same form. */
export function parseBytes(least: string, most: string): Parser<number> {
  return scaled(BYTES, least, most, 'a size with its unit (KiB, MiB or GiB)');
}

function scaled(units: Readonly<Record<string, number>>, least: string, most: string, what: string): Parser<number> {
  const read = (text: string): number => {
    const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})$/.exec(text);
    const factor = match?.[2] !== undefined && Object.hasOwn(units, match[2]) ? units[match[2]] : undefined;
    return match === null || factor === undefined ? NaN : Math.round(Number(match[1]) * factor);
  };
  const [low, high] = [read(least), read(most)];
  return (text) => {
    const value = read(text);
    if (value >= low && value <= high) return { value };
    const bare = /^\d+$/.test(text) ? '; a number without a unit is not accepted' : '';
    return { problem: `must be ${what} from ${least} to ${most}${bare}` };
  };
}

/** `:9464`, `host:9464` or `[::1]:9464`. */
export const parseListenAddress: Parser<ListenAddress> = (text) => {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? NaN);
  if (match === null) return { problem: 'must be ":port", "host:port" or "[IPv6 address]:port", for example :9464' };
  if (port > 65_535) return { problem: 'must have a port from 0 to 65535' };
  const host = match[1] ?? match[2] ?? '';
  if (match[1] !== undefined)
    return isIPv6(host) ? { value: { host, port } } : { problem: 'must have an IPv6 address in [ ]' };
  const valid = /^[\d.]+$/.test(host) ? isIPv4(host) : /^[A-Za-z0-9._-]{0,253}$/.test(host);
  return valid ? { value: { host, port } } : { problem: 'must have a host name or an IP address before the port' };
};

/** The base URL of a collector. Credentials have no place in it: it is logged, headers are not. */
export const parseEndpoint = baseUrl('http://localhost:4318', '; put credentials into OTEL_EXPORTER_OTLP_HEADERS');

/** The base URL of a Grafana, which everybody sees who sees the status page. */
export const parseGrafanaUrl = baseUrl('https://grafana.example.com');

function baseUrl(example: string, instead = ''): Parser<string> {
  return (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
      return { problem: `must be an http:// or https:// URL, for example ${example}` };
    }
    if (url.username !== '' || url.password !== '') return { problem: `must not carry a user or password${instead}` };
    if (url.search !== '' || url.hash !== '') return { problem: 'must not have a query or fragment' };
    return { value: url.href.replace(/\/+$/, '') };
  };
}

/** An absolute path. */
export const parsePath: Parser<string> = (text) =>
  text.startsWith('/') && !text.includes('\0') ? { value: text } : { problem: 'must be an absolute path' };

/** Any path, relative to the working directory or absolute. */
export const parseFilePath: Parser<string> = (text) =>
  text !== '' && !text.includes('\0') ? { value: text } : { problem: 'must be the path of a file' };

/** The name of a Kubernetes node: an RFC 1123 subdomain. */
export const parseNodeName: Parser<string> = (text) =>
  text.length <= 253 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(text)
    ? { value: text }
    : { problem: 'must be the name of a node as "kubectl get nodes" shows it' };

/** A PCI address; the domain may be left out. Normalised to `0000:03:00.0`, lower case. */
export const parsePciAddress: Parser<string> = (text) => {
  const match = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-1][0-9a-f]\.[0-7])$/.exec(text.toLowerCase());
  return match === null
    ? { problem: 'must be a PCI address, for example 0000:03:00.0' }
    : { value: `${match[1] ?? '0000'}:${match[2] ?? ''}` };
};

const ERRNOS: ReadonlyMap<string, number> = new Map(Object.entries(constants.errno));

/** An errno by name (`ENOMEM`) or number (`12`, `-12`); positive. */
export const parseErrno: Parser<number> = (text) => {
  const value = ERRNOS.get(text.toUpperCase()) ?? (/^-?\d{1,4}$/.test(text) ? Math.abs(Number(text)) : 0);
  return value >= 1 && value <= 4095 ? { value } : { problem: 'must be an errno, for example ENOMEM or 12' };
};
