import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { alertmanagerConfig } from '../../../dashboards/formats/alertmanager.js';
import { grafanaAlerting } from '../../../dashboards/formats/grafana.js';
import { prometheusRule, prometheusRules } from '../../../dashboards/formats/prometheus.js';
import { generatedFiles } from '../../../dashboards/generated.js';
import { annotations, expression, SEVERITIES } from '../../../dashboards/rules/alert.js';
import { ownLabels } from '../../../dashboards/rules/counters.js';
import { DEFAULT_RULES_CONFIG, shortestWindow, toSeconds, type Duration } from '../../../dashboards/rules/config.js';
import { allAlerts, ruleGroups } from '../../../dashboards/rules/index.js';
import { EVENT_METRIC } from '../../../exporter/events/index.js';
import { METRIC } from '../../../exporter/names.js';
import { exposedLabels } from '../../helpers/exposed-labels.js';
import { promqlUse } from '../../helpers/promql.js';

const config = DEFAULT_RULES_CONFIG;
const everything = { ...config, vramNearlyFull: { ...config.vramNearlyFull, enabled: true } };
const alerts = allAlerts(everything);
const names = alerts.map(({ name }) => name);

describe('the generated files', () => {
  for (const [path, text] of generatedFiles()) {
    it(`${path} is up to date`, () => {
      assert.equal(readFileSync(path, 'utf8'), text, 'run "npm run dashboards" and commit what it writes');
    });
  }

  it('leave the alert on nearly full VRAM out unless it is switched on', () => {
    for (const format of [prometheusRules, prometheusRule, grafanaAlerting]) {
      assert.doesNotMatch(format(config), /XeVRAMNearlyFull/);
      assert.match(format(everything), /XeVRAMNearlyFull/);
    }
  });
});

describe('the alerts', () => {
  it('have names of their own', () => assert.equal(new Set(names).size, names.length));

  for (const alert of alerts) {
    it(`${alert.name} says what is wrong, where, and what to do first`, () => {
      const { summary, description, runbook_url } = annotations(alert, config);
      assert.ok(SEVERITIES.includes(alert.severity));
      assert.doesNotMatch(summary + description, /\n|undefined/);
      assert.doesNotMatch(summary, /\.$/);
      assert.match(description, /First: .*\.$/);
      assert.equal(runbook_url, `${config.runbookBase}/${alert.name}.md`);
      const plain = (summary + description).replace(/\{\{.*?\}\}/g, '');
      assert.ok(plain.length < 420, `${plain.length} characters are too many for a telephone`);
      const grouped = new Set(promqlUse(alert.query).groupings.flatMap(({ labels }) => labels));
      for (const [, label = ''] of (summary + description).matchAll(/\$labels\.(\w+)/g)) {
        assert.ok(grouped.has(label), `the text names ${label}, which the alert does not have`);
      }
    });
  }
});

describe('the expressions', () => {
  let exposed: ReadonlyMap<string, ReadonlySet<string>>;
  before(async () => void (exposed = await exposedLabels()));

  const targetLabels = [config.clusterLabel, config.nodeLabel, 'job', 'instance'];
  const labelsOf = (metric: string) => [...(exposed.get(metric) ?? []), ...targetLabels];
  const expressions = ruleGroups(everything).flatMap(({ alerts: of }) =>
    of.map((alert) => [alert.name, expression(alert)] as const),
  );

  for (const [name, text] of expressions) {
    it(`of ${name} ask for metrics and labels that the exporter has`, () => {
      const { selectors, groupings } = promqlUse(text);
      assert.ok(selectors.length > 0);
      for (const { metric, labels } of selectors) {
        assert.ok(metric === 'up' || exposed.has(metric), `nobody exposes ${metric}`);
        for (const label of labels) assert.ok(labelsOf(metric).includes(label), `${metric} has no label ${label}`);
      }
      for (const { metrics, labels } of groupings) {
        const known = metrics.flatMap(labelsOf);
        for (const label of labels) assert.ok(known.includes(label), `none of ${metrics.join()} has ${label}`);
      }
    });

    it(`of ${name} name every label of the series they count`, () => {
      // `ignoring` has to leave nothing but the labels of the target, or no first value would ever count.
      const counters = new Set(
        promqlUse(text).selectors.flatMap(({ metric }) => (/_total$/.test(metric) ? [metric] : [])),
      );
      for (const metric of counters) {
        assert.deepEqual([...ownLabels(metric)].sort(), [...(exposed.get(metric) ?? [])].sort(), metric);
      }
    });
  }

  it('use no metric that is not a published name', () => {
    const others = new Set(expressions.flatMap(([, text]) => promqlUse(text).selectors.map(({ metric }) => metric)));
    for (const metric of [...Object.values(METRIC), ...Object.values(EVENT_METRIC)]) others.delete(metric);
    assert.deepEqual([...others].sort(), ['process_start_time_seconds', 'up']);
  });

  it('look at four scrapes or more', () => {
    for (const [, text] of expressions) {
      for (const [, window] of text.matchAll(/\[(\w+)\]/g)) {
        assert.ok(toSeconds(window as Duration) >= toSeconds(shortestWindow(config)), text);
      }
    }
    assert.ok(toSeconds(shortestWindow(config)) >= 4 * toSeconds(config.scrapeInterval));
  });
});

describe('the Alertmanager example', () => {
  const { inhibit_rules: inhibitions, route } = parse(alertmanagerConfig(config)) as {
    inhibit_rules: { source_matchers: string[]; target_matchers: string[]; equal: string[] }[];
    route: { group_by: string[] };
  };

  it('inhibits alerts that exist: those of a device on the same device only', () => {
    for (const { source_matchers, target_matchers, equal } of inhibitions) {
      const ofExporters = source_matchers[0]?.includes('Exporter');
      assert.deepEqual(equal, ofExporters ? ['cluster'] : ['cluster', 'node', 'pci_bdf']);
      const named = [...source_matchers, ...target_matchers].flatMap((matcher) => matcher.match(/Xe\w+/g) ?? []);
      assert.ok(named.length >= 2);
      for (const name of named) assert.ok((names as string[]).includes(name), name);
    }
    assert.deepEqual(route.group_by, ['alertname', 'cluster']);
  });

  it('silences all errors of the jobs of a wedged device', () => {
    const wedged = inhibitions.find(({ source_matchers }) => source_matchers[0]?.includes('XeDeviceWedged'));
    const rebind = names.filter((name) => name.startsWith('XeVMRebind'));
    assert.equal(wedged?.target_matchers[0], `alertname=~"${[...rebind, 'XeDeviceCoredump'].join('|')}"`);
  });
});

describe('the rules for Grafana', () => {
  interface Query {
    refId: string;
    relativeTimeRange: { from: number; to: number };
    datasourceUid: string;
    model: { refId: string; expr?: string; type?: string; expression?: string; conditions?: { evaluator: unknown }[] };
  }
  interface Rule {
    uid: string;
    title: string;
    condition: string;
    data: Query[];
    for: string;
    keepFiringFor?: string;
    noDataState: string;
    execErrState: string;
    annotations: Record<string, string>;
    labels: Record<string, string>;
  }
  const file = parse(grafanaAlerting(everything)) as {
    apiVersion: number;
    groups: { orgId: number; name: string; folder: string; interval: string; rules: Rule[] }[];
  };
  const rules = file.groups.flatMap((group) => group.rules);

  it('are a provisioning file with every alert once', () => {
    assert.equal(file.apiVersion, 1);
    for (const { orgId, name, folder, interval } of file.groups) {
      assert.ok(orgId >= 1 && name && folder);
      // Grafana's scheduler works in steps of ten seconds.
      assert.equal(toSeconds(interval as Duration) % 10, 0);
    }
    assert.deepEqual(
      rules.map(({ title }) => title),
      names,
    );
    assert.equal(new Set(rules.map(({ uid }) => uid)).size, names.length);
  });

  for (const rule of rules) {
    it(`${rule.title} is a query and a threshold that Grafana can read`, () => {
      assert.match(rule.uid, /^[a-z0-9-]{1,40}$/);
      const alert = alerts.find(({ name }) => name === rule.title);
      assert.ok(alert);
      const [a, b, ...more] = rule.data;
      assert.ok(a && b && more.length === 0);
      for (const { refId, model, relativeTimeRange } of [a, b]) {
        assert.equal(model.refId, refId);
        assert.ok(relativeTimeRange.from > relativeTimeRange.to);
      }
      assert.equal(a.model.expr, expression(alert));
      assert.equal(rule.condition, b.refId);
      assert.deepEqual([b.datasourceUid, b.model.type, b.model.expression], ['__expr__', 'threshold', a.refId]);
      const evaluator =
        'above' in alert.when ? { type: 'gt', params: [alert.when.above] } : { type: 'lt', params: [alert.when.below] };
      assert.deepEqual(b.model.conditions, [{ evaluator }]);
      assert.ok(['NoData', 'Alerting', 'OK', 'KeepLast'].includes(rule.noDataState));
      assert.ok(['Alerting', 'Error', 'OK', 'KeepLast'].includes(rule.execErrState));
      assert.doesNotMatch(Object.values(rule.annotations).join(''), /\$value\b/);
      // Grafana expands environment variables in labels, and ${...} in annotations.
      assert.doesNotMatch(Object.values(rule.labels).join(''), /\$/);
      assert.doesNotMatch(Object.values(rule.annotations).join(''), /\$\{/);
    });
  }
});

describe('durations', () => {
  it('are read as Prometheus reads them', () => {
    assert.deepEqual((['250ms', '30s', '5m', '2h', '1d'] as const).map(toSeconds), [0.25, 30, 300, 7200, 86_400]);
    assert.throws(() => toSeconds('1.5h'), /1.5h is not a duration/);
    assert.equal(shortestWindow({ ...config, lossWindow: '2m' }), '2m');
  });
});
