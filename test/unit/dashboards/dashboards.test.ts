import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { expression } from '../../../dashboards/rules/alert.js';
import { DEFAULT_RULES_CONFIG } from '../../../dashboards/rules/config.js';
import { VICTIM_LABELS } from '../../../dashboards/rules/counters.js';
import { allAlerts } from '../../../dashboards/rules/index.js';
import { OPTION_LIST } from '../../../exporter/config/schema.js';
import { LABEL, METRIC } from '../../../exporter/names.js';
import { exposedLabels } from '../../helpers/exposed-labels.js';
import { grafanaDashboards, interpolated, labelValues, type GrafanaDashboard } from '../../helpers/grafana.js';
import { promqlUse } from '../../helpers/promql.js';

/** Values that Grafana gives itself. */
const BUILT_IN = { __range: '1h', __range_s: '3600', __interval: '30s', __interval_ms: '30000', __rate_interval: '2m' };
const { clusterLabel, nodeLabel } = DEFAULT_RULES_CONFIG;
const TARGET_LABELS = [clusterLabel, nodeLabel, 'job', 'instance'];
/** Series that Prometheus makes itself. */
const OF_PROMETHEUS = ['ALERTS', 'GRAFANA_ALERTS', 'up', 'scrape_duration_seconds'];
const ALERT_LABELS = ['alertname', 'alertstate', 'severity', LABEL.pciBdf, ...VICTIM_LABELS];
const dashboards = grafanaDashboards();
/** Metrics that no panel and no alert asks for, and why. */
const NOT_DRAWN: Readonly<Record<string, string>> = {
  [METRIC.deviceEvictions]: 'the bytes are drawn; their quotient is the size of a buffer, for those who ask',
  [METRIC.readerQueuePeak]: 'for the size of --reader-queue-bytes; a queue that was full shows as dropped events',
  [METRIC.eventsDeduplicated]: 'nothing is wrong when two sources report one event',
  [METRIC.streamSubscribers]: 'who listens is for them to know; those that were turned away are drawn',
  [METRIC.jobSubscribers]: 'the same, of jobs',
};

let exposed: ReadonlyMap<string, ReadonlySet<string>>;
before(async () => void (exposed = await exposedLabels()));

describe('the dashboards', () => {
  it('have the uids that links and bookmarks hold', () => {
    assert.deepEqual([...dashboards.keys()].sort(), ['xe-exporter-health', 'xe-fleet', 'xe-node']);
    for (const [file, { uid }] of dashboards) assert.equal(uid, file);
  });

  for (const [file, dashboard] of dashboards) {
    const declared = dashboard.templating.list.map(({ name }) => name);
    const values = { ...BUILT_IN, ...Object.fromEntries(declared.map((name) => [name, '.*'])) };

    it(`${file} asks no data source but the chosen one`, () => {
      const text = readFileSync(`dashboards/out/grafana/dashboards/${file}.json`, 'utf8');
      const sources = [...text.matchAll(/"uid": "([^"]*)"/g)].map(([, uid]) => uid);
      assert.deepEqual([...new Set(sources)].sort(), ['${datasource}', file]);
    });

    it(`${file} has panels of four types, and each says why it is empty`, () => {
      for (const { type, title, description, targets, fieldConfig } of dashboard.panels) {
        assert.ok(['stat', 'table', 'timeseries', 'state-timeline'].includes(type), `${title}: ${type}`);
        assert.ok(title && description && targets.length > 0);
        assert.match(fieldConfig.defaults.noValue ?? '', /\.$/, title);
        assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
        for (const [flag] of `${description} ${fieldConfig.defaults.noValue}`.matchAll(/--[a-z-]+/g)) {
          assert.ok(
            OPTION_LIST.some(([, option]) => `--${option.flag}` === flag),
            `no option ${flag}`,
          );
        }
      }
    });

    it(`${file} has variables that go on without their label`, () => {
      const [source, ...others] = dashboard.templating.list;
      assert.deepEqual([source?.name, source?.type, source?.query], ['datasource', 'datasource', 'prometheus']);
      for (const variable of others) {
        // Of the node dashboard's one node the value is empty then.
        if (variable.name !== nodeLabel || file !== 'xe-node') assert.equal(variable.allValue, '.*', variable.name);
        else assert.ok(!variable.multi && !variable.includeAll);
        const { series, label } = labelValues(variable);
        checkUse(interpolated(series, values));
        const metric = /^\w+/.exec(series)![0];
        assert.ok(exposed.get(metric)?.has(label) || TARGET_LABELS.includes(label), label);
      }
    });

    it(`${file} says in the title where the choice of a namespace changes nothing`, () => {
      if (!declared.includes('namespace')) return;
      for (const { title, targets } of dashboard.panels) {
        const expressions = targets.map(({ expr }) => expr).join('\n');
        const counts = [METRIC.vmRebindErrors, METRIC.vmRebindOomOutcomes].some((metric) =>
          expressions.includes(metric),
        );
        if (counts && !expressions.includes('$namespace')) assert.match(title, /\(all jobs\)$/);
      }
    });

    it(`${file} has its links and switches in sight`, () => {
      const text = readFileSync(`dashboards/out/grafana/dashboards/${file}.json`, 'utf8');
      assert.doesNotMatch(text, /inControlsMenu/);
      assert.match(text, /"links": \[\s+\{\s+"title": "xe GPUs"/);
    });

    it(`${file} has tables whose columns are there: Grafana numbers the values of several queries only`, () => {
      for (const { title, targets, transformations = [] } of dashboard.panels.filter(({ type }) => type === 'table')) {
        const [fields] = transformations.flatMap(({ options: { include } }) => (include ? [include.names] : []));
        const values = fields?.filter((field) => field.startsWith('Value')).sort();
        const expected = targets.length > 1 ? targets.map(({ refId }) => `Value #${refId}`) : ['Value'];
        assert.deepEqual(values, title === 'Sources that are down' ? [] : expected, title);
      }
    });

    for (const { title, targets } of dashboard.panels) {
      it(`${file}: ${title} asks for metrics and labels that the exporter has`, () => {
        for (const { expr } of targets) checkUse(interpolated(expr, values));
      });
    }

    for (const { name, expr } of dashboard.annotations.list ?? []) {
      it(`${file}: the marks "${name}" ask for metrics and labels that the exporter has`, () =>
        checkUse(interpolated(expr, values)));
    }
  }
});

it('the errors of neighbouring nodes have colours of their own', () => {
  const panel = dashboards
    .get('xe-fleet')!
    .panels.find(({ title }) => title === 'Out-of-memory errors by node (all jobs)')!;
  const colourOf = (node: string) => {
    const matching = panel.fieldConfig.overrides.filter(({ matcher }) =>
      new RegExp(matcher.options.slice(1, -1)).test(node),
    );
    assert.equal(matching.length, 1, node);
    return JSON.stringify(matching[0]!.properties);
  };
  for (const name of [(digit: number) => `gpu-1${digit}`, (digit: number) => `ip-10-0-1-${digit}.ec2.internal`]) {
    assert.equal(new Set(Array.from({ length: 10 }, (_, digit) => colourOf(name(digit)))).size, 10);
  }
});

it('every metric has a panel or an alert that asks for it, or a reason why not', () => {
  const panels = [...dashboards.values()].flatMap((dashboard) => dashboard.panels);
  const names = [...dashboards.values()].flatMap(({ templating }) => templating.list.map(({ name }) => name));
  const values = { ...BUILT_IN, ...Object.fromEntries(names.map((name) => [name, '.*'])) };
  const expressions = [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => interpolated(expr, values))),
    ...allAlerts(DEFAULT_RULES_CONFIG).map(expression),
  ];
  const family = (series: string) => series.replace(/_(?:bucket|count|sum)$/, '');
  const asked = new Set(expressions.flatMap((text) => promqlUse(text).selectors.map(({ metric }) => family(metric))));
  const ours = new Set([...exposed.keys()].filter((series) => series.startsWith('xe_')).map(family));
  assert.deepEqual([...ours].filter((metric) => !asked.has(metric)).sort(), Object.keys(NOT_DRAWN).sort());
});

it('the node dashboard with Loki is the plain one, and the log events', () => {
  const withLoki = JSON.parse(
    readFileSync('dashboards/out/grafana/with-loki/xe-node.json', 'utf8'),
  ) as GrafanaDashboard;
  const plain = dashboards.get('xe-node')!;
  const [logs] = withLoki.panels.slice(plain.panels.length);
  assert.equal(logs?.type, 'logs');
  assert.deepEqual(
    { ...withLoki, panels: withLoki.panels.slice(0, -1), templating: { list: withLoki.templating.list.slice(0, -1) } },
    plain,
  );
  assert.equal(withLoki.templating.list.at(-1)?.query, 'loki');
  const declared = withLoki.templating.list.map(({ name }) => name);
  for (const [, name] of (logs.targets[0]?.expr ?? '').matchAll(/\$(\w+)/g)) assert.ok(declared.includes(name!), name);
});

function checkUse(expression: string): void {
  const { selectors, groupings } = promqlUse(expression);
  assert.ok(selectors.length > 0);
  const made = [...expression.matchAll(/, "([a-z]+)", "/g)].map(([, label]) => label!);
  const labelsOf = (metric: string) => [
    ...(exposed.get(metric) ?? []),
    ...TARGET_LABELS,
    ...(metric.endsWith('ALERTS') ? ALERT_LABELS : []),
  ];
  for (const { metric, labels } of selectors) {
    assert.ok(exposed.has(metric) || OF_PROMETHEUS.includes(metric), `nobody exposes ${metric}`);
    for (const label of labels) assert.ok(labelsOf(metric).includes(label), `${metric} has no label ${label}`);
  }
  for (const { metrics, labels } of groupings) {
    const known = [...metrics.flatMap(labelsOf), ...made];
    for (const label of labels) assert.ok(known.includes(label), `none of ${metrics.join()} has ${label}`);
  }
}
