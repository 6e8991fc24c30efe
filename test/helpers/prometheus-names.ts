/** Units that Prometheus spells out, of those that we send. */
const UNIT_WORDS: Readonly<Record<string, string>> = {
  s: 'seconds',
  By: 'bytes',
  Cel: 'celsius',
  W: 'watts',
  J: 'joules',
  '1': '',
};

/**
 * The name of a metric after Prometheus's OTLP receiver translated it as it does by default (UnderscoreEscapingWithSuffixes): words
 * between characters that no metric name may have, the unit unless a word says it, `_total` last on a counter, `_ratio` on a gauge
 * with unit 1.
 */
export function prometheusName(name: string, unit: string, kind: 'counter' | 'gauge' | 'histogram'): string {
  let words = name.split(/[^a-zA-Z0-9:]+/).filter((word) => word !== '');
  const appendLast = (last: string): void => void (words = [...words.filter((word) => word !== last), last]);
  const unitWord = /[{}]/.test(unit) ? '' : (UNIT_WORDS[unit] ?? unit);
  if (unitWord !== '' && !words.includes(unitWord)) words.push(unitWord);
  if (kind === 'counter') appendLast('total');
  if (kind === 'gauge' && unit === '1') appendLast('ratio');
  return words.join('_');
}

/** The label of an attribute after the same translation. */
export function prometheusLabel(attribute: string): string {
  return attribute.replace(/[^a-zA-Z0-9_]/g, '_');
}
