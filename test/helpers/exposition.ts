import assert from 'node:assert/strict';

/** One family as it was announced. */
interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly series: Map<string, number>;
}

const TYPES = ['counter', 'gauge', 'histogram'];
const NAME = '[a-z][a-z0-9_]*';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`, 's');
const LABEL = new RegExp(`^(${NAME})="((?:[^"\\\\\\n]|\\\\[\\\\"n])*)"(?:,|$)`);
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]Inf|NaN)$/i;

/**
 * Reads an exposition as strictly as the formats are written down, and stricter where we can do better: HELP, then TYPE, then
 * the samples of one family after the other; no series twice; escapes, numbers and histograms right. OpenMetrics is known by
 * its `# EOF`.
 * @returns value by series, keyed as rendered: `name` or `name{a="x",b="y"}`
 */
export function parseExposition(text: string): Map<string, number> {
  const openMetrics = text.endsWith('\n# EOF\n') || text === '# EOF\n';
  assert.ok(text.endsWith('\n'), 'the last line has to end');
  const lines = text.slice(0, -1).split('\n');
  if (openMetrics) lines.pop();
  const families = new Map<string, ParsedFamily>();
  const all = new Map<string, number>();
  let help: string | undefined;
  let current: ParsedFamily | undefined;
  for (const line of lines) {
    if (line === '' && !openMetrics) continue;
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      assert.match(rest, /^[^"\\]+\.$/, `help of ${name}`);
      assert.ok(!families.has(name), `${name} is announced twice`);
      help = name;
      current = undefined;
    } else if (keyword === 'TYPE') {
      assert.equal(help, name, `TYPE of ${name} comes right after its HELP`);
      assert.ok(TYPES.includes(rest), `type of ${name}: ${rest}`);
      if (rest === 'counter') assert.equal(name.endsWith('_total'), !openMetrics, `name of the counter ${name}`);
      current = { name, type: rest, series: new Map() };
      families.set(name, current);
      help = undefined;
    } else {
      assert.ok(current, `a sample outside of a family: ${line}`);
      const [key, value] = parseSample(line, current, openMetrics);
      assert.ok(!all.has(key), `${key} is there twice`);
      all.set(key, value);
      current.series.set(key, value);
    }
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family);
  return all;
}

function parseSample(line: string, family: ParsedFamily, openMetrics: boolean): [key: string, value: number] {
  const [, name = '', labels, number = ''] = SAMPLE.exec(line) ?? [];
  assert.ok(name, `not a sample: ${line}`);
  assert.match(number, NUMBER, line);
  const names = new Set<string>();
  for (let rest = labels ?? ''; rest !== '';) {
    const match = LABEL.exec(rest);
    assert.ok(match, `bad labels: ${line}`);
    assert.ok(!names.has(match[1] ?? ''), `label ${match[1]} is there twice: ${line}`);
    names.add(match[1] ?? '');
    rest = rest.slice(match[0].length);
  }
  const suffixes = { counter: [openMetrics ? '_total' : ''], histogram: ['_bucket', '_sum', '_count'] }[
    family.type
  ] ?? [''];
  assert.ok(
    suffixes.some((suffix) => name === family.name + suffix),
    `${name} does not belong to ${family.name}`,
  );
  const value = parseNumber(number);
  if (family.type === 'counter') assert.ok(value >= 0, `${line} is negative`);
  return [line.slice(0, line.length - number.length - 1), value];
}

function parseNumber(text: string): number {
  if (text.endsWith('Inf')) return text.startsWith('-') ? -Infinity : Infinity;
  return Number(text);
}

/** Buckets ascend, never fall, end in +Inf, and +Inf is the count. */
function checkHistogram({ name, series }: ParsedFamily): void {
  const groups = new Map<string, [bound: number, count: number][]>();
  for (const [key, value] of series) {
    const [, labels = '', bound] = /^[a-z0-9_]+_bucket\{(?:(.*),)?le="([^"]+)"\}$/.exec(key) ?? [];
    if (bound === undefined) continue;
    const group = groups.get(labels) ?? [];
    groups.set(labels, group);
    group.push([parseNumber(bound), value]);
  }
  for (const [labels, buckets] of groups) {
    const braces = labels === '' ? '' : `{${labels}}`;
    for (const [index, [bound, count]] of buckets.entries()) {
      const [lower, fewer] = buckets[index - 1] ?? [-Infinity, 0];
      assert.ok(bound > lower && count >= fewer, `buckets of ${name}${braces}`);
    }
    assert.equal(buckets.at(-1)?.[0], Infinity, `${name}${braces} has a +Inf bucket`);
    assert.equal(series.get(`${name}_count${braces}`), buckets.at(-1)?.[1], `count of ${name}${braces}`);
    assert.ok(series.has(`${name}_sum${braces}`), `sum of ${name}${braces}`);
  }
}
