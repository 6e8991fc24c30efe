import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { DEFAULT_RULES_CONFIG } from '../../../dashboards/rules/config.js';
import { allAlerts } from '../../../dashboards/rules/index.js';
import { OPTION_LIST } from '../../../exporter/config/schema.js';
import { exposedLabels } from '../../helpers/exposed-labels.js';
import { grafanaDashboards } from '../../helpers/grafana.js';
import { promqlUse } from '../../helpers/promql.js';

/** What a promtool test file says; promtool itself runs it, in the system tests. */
interface TestFile {
  readonly tests: readonly {
    readonly alert_rule_test?: readonly {
      readonly alertname: string;
      readonly exp_alerts?: readonly {
        readonly exp_labels: Record<string, string>;
        readonly exp_annotations: Record<string, string>;
      }[];
    }[];
  }[];
}

const config = { ...DEFAULT_RULES_CONFIG, vramNearlyFull: { ...DEFAULT_RULES_CONFIG.vramNearlyFull, enabled: true } };
const alerts = allAlerts(config);
const tests = readdirSync('test/system/rules')
  .map((file) => parse(readFileSync(`test/system/rules/${file}`, 'utf8')) as TestFile)
  .flatMap((file) => file.tests);

describe('promtool tests', () => {
  for (const { name, severity } of alerts) {
    const cases = tests.flatMap(({ alert_rule_test = [] }) => alert_rule_test.filter((one) => one.alertname === name));
    const fired = cases.flatMap(({ exp_alerts = [] }) => exp_alerts);

    it(`let ${name} be quiet, and let it fire with everything it says`, () => {
      assert.ok(cases.some(({ exp_alerts = [] }) => exp_alerts.length === 0));
      assert.ok(fired.length > 0);
      for (const { exp_labels, exp_annotations } of fired) {
        assert.equal(exp_labels['severity'], severity);
        assert.deepEqual(Object.keys(exp_annotations), ['summary', 'runbook_url', 'description', 'dashboard_url']);
      }
    });
  }
});

describe('runbooks', () => {
  const FOLDER = 'dashboards/runbooks';
  /** Metrics that Prometheus makes of every scrape, and the labels of targets. */
  const OF_PROMETHEUS = ['up', 'scrape_duration_seconds'];
  const TARGET_LABELS = [config.clusterLabel, config.nodeLabel, 'job', 'instance'];
  const flags = OPTION_LIST.map(([, { flag }]) => `--${flag}`);
  let exposed: ReadonlyMap<string, ReadonlySet<string>>;
  before(async () => void (exposed = await exposedLabels()));

  it('are there for every alert, and for nothing else', () => {
    assert.deepEqual(readdirSync(FOLDER).sort(), alerts.map(({ name }) => `${name}.md`).sort());
  });

  for (const { name, panel } of alerts) {
    it(`of ${name} begins with the panel that its alert leads to`, () => {
      const [, , first = ''] = readFileSync(`${FOLDER}/${name}.md`, 'utf8').split('\n');
      const { title } = grafanaDashboards().get(panel.dashboard)!;
      assert.ok(first.startsWith(`Start at the dashboard "${title}", panel "${panel.title}": `), first);
    });

    it(`of ${name} says what it means, what it does to whom, how to find out and what to do`, () => {
      const text = readFileSync(`${FOLDER}/${name}.md`, 'utf8');
      assert.ok(text.startsWith(`# ${name}\n`));
      assert.deepEqual(text.match(/^## .+$/gm), ['## Meaning', '## Impact', '## Diagnosis', '## Mitigation']);
      for (const [, linked = ''] of text.matchAll(/\]\((Xe\w+)\.md\)/g)) {
        assert.ok(
          alerts.some((alert) => alert.name === linked),
          `${linked} is no alert`,
        );
      }
    });

    it(`of ${name} ask for metrics, labels and options that the exporter has`, () => {
      const text = readFileSync(`${FOLDER}/${name}.md`, 'utf8');
      const queries = [...text.matchAll(/```promql\n([^]*?)```/g)].map(([, query = '']) => query);
      assert.ok(queries.length > 0);
      for (const { metric, labels } of queries.flatMap((query) => promqlUse(query).selectors)) {
        assert.ok(exposed.has(metric) || OF_PROMETHEUS.includes(metric), `nobody exposes ${metric}`);
        const known = [...(exposed.get(metric) ?? []), ...TARGET_LABELS];
        for (const label of labels) assert.ok(known.includes(label), `${metric} has no label ${label}`);
        // Every Node.js process on the node has these: those of others would be shown beside the exporter's.
        if (/^(?:process|nodejs)_/.test(metric)) assert.ok(labels.includes('job'), `${metric} of any job`);
      }
      for (const [, flag = ''] of text.matchAll(/`(--[a-z-]+)/g)) assert.ok(flags.includes(flag), `no option ${flag}`);
    });
  }
});
