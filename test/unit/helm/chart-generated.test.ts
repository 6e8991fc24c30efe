import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { OPTION_LIST, type OptionKey } from '../../../exporter/config/schema.js';
import { generatedChartFiles } from '../../../helm/generator/generated.js';
import { optionSchema } from '../../../helm/generator/option-schema.js';
import { DERIVED_OPTIONS, EXTRA_ARGS_OPTIONS, OPTION_VALUES } from '../../../helm/generator/values-map.js';

const CHART = 'helm/xe-exporter';
const values = parse(readFileSync(`${CHART}/values.yaml`, 'utf8')) as Tree;

interface Tree {
  readonly [key: string]: unknown;
}

test('the generated files of the chart are up to date', () => {
  for (const [path, text] of generatedChartFiles()) {
    assert.equal(readFileSync(path, 'utf8'), text, `${path}: run "npm run helm"`);
  }
});

test('every option of serve is a value of the chart, follows from one, or is left to extraArgs for a reason', () => {
  const mapped = OPTION_VALUES.map(({ option }) => option);
  const reachable = [...mapped, ...Object.keys(DERIVED_OPTIONS), ...Object.keys(EXTRA_ARGS_OPTIONS)] as OptionKey[];
  assert.equal(new Set(reachable).size, reachable.length, 'no option is reached in two ways');
  const serve = OPTION_LIST.filter(([, { commands }]) => commands.includes('serve')).map(([key]) => key);
  assert.deepEqual(reachable.filter((key) => !key.startsWith('demo')).sort(), serve.sort());
});

test('values have the defaults of the options they are', () => {
  for (const { option, value } of OPTION_VALUES) {
    const found = value.split('.').reduce<unknown>((node, key) => (node as Tree)[key], values);
    assert.deepEqual(found, optionSchema(option)['default'], value);
  }
});

test('the values file shows every key of the schema', () => {
  const schema = JSON.parse(readFileSync(`${CHART}/values.schema.json`, 'utf8')) as Tree;
  // What a parent chart hands down.
  const missing = missingKeys(schema, values).filter((key) => key !== '.global' && key !== '.enabled');
  assert.deepEqual(missing, []);
});

test('bounds of numbers are those of the exporter', () => {
  const { minimum, maximum } = optionSchema('maxClients');
  assert.deepEqual([minimum, maximum], [1, 65_536]);
  assert.deepEqual(optionSchema('otlpQueueSize')['type'], ['integer', 'null']);
});

test('the chart has the version of the program', () => {
  const chart = parse(readFileSync(`${CHART}/Chart.yaml`, 'utf8')) as Tree;
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as Tree;
  assert.equal(chart['appVersion'], version);
  assert.equal(chart['version'], version);
});

/** Keys of the schema's blocks that values do not show; an empty block is filled by whoever uses it. */
function missingKeys(schema: Tree, node: Tree, path = ''): string[] {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Tree>>;
  if (Object.keys(node).length === 0) return [];
  return Object.entries(properties).flatMap(([key, inner]) => {
    if (!Object.hasOwn(node, key)) return [`${path}.${key}`];
    return inner['properties'] === undefined ? [] : missingKeys(inner, node[key] as Tree, `${path}.${key}`);
  });
}
