/**
 * Units (UCUM) of what a metric's name ends in. Prometheus's OTLP receiver appends a unit's word where the name lacks it; these are
 * there already, so that the name stays.
 */
const BY_ENDING: readonly (readonly [ending: string, unit: string])[] = [
  ['_seconds', 's'],
  ['_bytes', 'By'],
  ['_celsius', 'Cel'],
  ['_watts', 'W'],
  ['_joules', 'J'],
  ['_ratio', '1'],
];

/** Words that end in s and are one thing. */
const SINGULAR = /(?:ss|us)$/;

/** The unit of a metric, from its name: `s`, `By`, `{error}` for a count of errors; empty for a state or an info. */
export function unitOf(name: string): string {
  const stem = name.replace(/_total$/, '');
  const known = BY_ENDING.find(([ending]) => stem.endsWith(ending));
  if (known) return known[1];
  const thing = stem.split('_').findLast((word) => word.endsWith('s') && !SINGULAR.test(word));
  return thing === undefined || thing === 'nodejs' || thing === 'process' ? '' : `{${thing.slice(0, -1)}}`;
}
