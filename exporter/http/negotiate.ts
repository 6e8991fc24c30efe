import type { ExpositionFormat } from '../metrics/engine/prom-client-adapter.js';

/** One entry of an Accept or Accept-Encoding header. */
interface Range {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** 0 to 1; 0 = not wanted. */
  readonly quality: number;
}

/** How well a header wants something: its quality, and how exactly it was named (0 = wildcard or not at all). */
interface Wanted {
  readonly quality: number;
  readonly precision: number;
}

/** Anything beyond this length is ignored. Real clients do not send a tenth of it. */
const MAX_HEADER_LENGTH = 2048;

/**
 * The format for an Accept header. OpenMetrics only where it is wanted more, or as much and named more exactly, than text
 * 0.0.4; text is also the answer to a header that admits neither, because every scraper reads it.
 */
export function negotiateFormat(accept: string | undefined): ExpositionFormat {
  const ranges = parseRanges(accept ?? '*/*');
  const text = mediaTypeWanted(ranges, 'text/plain', '0.0.4');
  const openMetrics = mediaTypeWanted(ranges, 'application/openmetrics-text', '1.0.0');
  if (openMetrics.quality === 0) return 'text';
  if (openMetrics.quality !== text.quality) return openMetrics.quality > text.quality ? 'openmetrics' : 'text';
  return openMetrics.precision > text.precision ? 'openmetrics' : 'text';
}

/** Whether an Accept-Encoding header asks for gzip; without a header nothing is compressed. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  const ranges = parseRanges(acceptEncoding ?? '');
  const named = ranges.find(({ value }) => value === 'gzip' || value === 'x-gzip');
  return (named ?? ranges.find(({ value }) => value === '*'))?.quality ? true : false;
}

/** The most exact range that covers the type decides (RFC 9110, 12.5.1); a range for another version does not cover it. */
function mediaTypeWanted(ranges: readonly Range[], mediaType: string, version: string): Wanted {
  const family = `${mediaType.slice(0, mediaType.indexOf('/'))}/*`;
  let best: Wanted = { quality: 0, precision: -1 };
  for (const { value, parameters, quality } of ranges) {
    const asked = parameters.get('version');
    let precision = ['*/*', family, mediaType].indexOf(value);
    if (precision < 0 || (asked !== undefined && asked !== version)) continue;
    if (asked !== undefined) precision++;
    if (precision > best.precision || (precision === best.precision && quality > best.quality))
      best = { quality, precision };
  }
  return { quality: best.quality, precision: Math.max(0, best.precision) };
}

function parseRanges(header: string): Range[] {
  return header.slice(0, MAX_HEADER_LENGTH).split(',').map(parseRange);
}

function parseRange(text: string): Range {
  const [value = '', ...rest] = text.split(';').map((part) => part.trim().toLowerCase());
  const parameters = new Map(rest.map((part) => split(part)));
  return { value, parameters, quality: parseQuality(parameters.get('q')) };
}

function split(parameter: string): [name: string, value: string] {
  const [name = '', ...value] = parameter.split('=');
  return [
    name.trim(),
    value
      .join('=')
      .trim()
      .replace(/^"(.*)"$/, '$1'),
  ];
}

/** A weight that is no number between 0 and 1 makes its range unwanted. */
function parseQuality(text: string | undefined): number {
  if (text === undefined) return 1;
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0;
}
