import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { ownLabels } from '../../dashboards/rules/counters.js';
import { LABEL, METRIC, OTHER_SERIES, UNATTRIBUTED_SERIES } from '../../exporter/names.js';
import { grafanaDashboards, interpolated } from '../helpers/grafana.js';
import { promqlUse } from '../helpers/promql.js';
import { tool } from './tool.js';

/** Twenty minutes of a dashboard that ends 25 minutes after the first scrape; scrapes and steps are every 30 s. */
const RANGE = '20m';
const END = '25m';
const VARIABLES = {
  ...{ __range: RANGE, __range_s: '1200', __interval: '30s', __interval_ms: '30000', __rate_interval: '2m' },
  ...{ cluster: '.*', node: '.*', pci_bdf: '.*', namespace: '.*' },
};

const TARGET = { job: 'xe-exporter', instance: '10.0.0.1:9464', node: 'gpu-1' };
const BDF = '0000:03:00.0';
/** Values of a counter's own labels, such that every panel's filters let them through. */
const VALUES: Readonly<Record<string, string>> = {
  [LABEL.pciBdf]: BDF,
  [LABEL.errno]: 'ENOMEM',
  [LABEL.outcome]: 'exited',
  [LABEL.severity]: 'uncorrected',
  [LABEL.source]: 'watch_queue',
  [LABEL.event]: 'xe.vm.rebind_error',
  [LABEL.stage]: 'reader',
  [LABEL.reason]: 'queue_full',
  [LABEL.metric]: METRIC.clientVmRebindErrors,
  [LABEL.signal]: 'logs',
  [LABEL.result]: 'failed',
  [LABEL.k8sNamespace]: 'ml',
  [LABEL.k8sPod]: 'train-0',
  [LABEL.k8sContainer]: 'main',
};

/** Results of requests that failed, where they are called something else. */
const RESULTS: Readonly<Record<string, string>> = { [METRIC.jobRequests]: 'refused' };

/** One event each, in promtool's notation: the values of the counter, of the other series of its exporter, and its start. */
const SCENES: readonly { name: string; counter: string; exporter?: string; start?: string }[] = [
  { name: 'a plain increment', counter: '0x20 1x30' },
  { name: 'a scrape fails right before the increment', counter: '0x20 stale 1x30', exporter: '1x20 stale 1x30' },
  { name: 'a scrape fails right after the increment', counter: '0x20 1 stale 1x30', exporter: '1x21 stale 1x30' },
  { name: 'scrapes fail for four minutes', counter: '0x20 stale _x7 1x30', exporter: '1x20 stale _x7 1x30' },
  { name: 'the event creates the series', counter: '_x21 1x30' },
  { name: 'the event creates the series while a scrape fails', counter: '_x22 1x30', exporter: '1x20 stale 1x30' },
  {
    name: 'the exporter restarts and counts one event',
    counter: '3x20 stale 1x30',
    exporter: '1x20 stale 1x30',
    start: '-86400x20 stale 620x30',
  },
  { name: 'the series is gone before the end', counter: '0x20 1x10 stale', exporter: '1x60' },
  {
    name: 'an exporter starts with an event before its first scrape',
    counter: '_x20 1x30',
    exporter: '_x20 1x30',
    start: '_x20 590x30',
  },
];

/** Every query of the dashboards that counts, once for each counter it reads. */
const counting = [...grafanaDashboards()].flatMap(([file, { panels, annotations }]) =>
  [
    ...panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, instant = false }) => ({ name: `${file}: ${title}`, expr, instant })),
    ),
    ...(annotations.list ?? []).map(({ name, expr }) => ({ name: `${file}: marks "${name}"`, expr, instant: false })),
  ].flatMap(({ name, expr, instant }) => {
    const expression = interpolated(expr, VARIABLES);
    const counters = new Set(promqlUse(expression).selectors.map(({ metric }) => metric));
    // A dot on the graph of a GPU stands at the GPU's size, not at a count; bytes are shown as a rate, and what the driver counts as it stands.
    if (counters.has(METRIC.deviceMemorySize)) return [];
    return [...counters]
      .filter((metric) => /^xe_.*(?<!_bytes)_total$/.test(metric) && metric !== METRIC.deviceRasErrors)
      .map((metric) => ({ name: `${name} (${metric})`, metric, instant, expression }));
  }),
);

const series = (metric: string, labels: Readonly<Record<string, string>>, values: string) => ({
  series: `${metric}{${Object.entries({ ...labels, ...TARGET })
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')}}`,
  values,
});

function testFile(scene: (typeof SCENES)[number]): string {
  const { counter, exporter = '1x60', start = '-86400x60' } = scene;
  const tests = counting.map(({ metric, instant, expression }) => {
    const values: Readonly<Record<string, string | undefined>> = {
      ...VALUES,
      [LABEL.result]: RESULTS[metric] ?? VALUES[LABEL.result],
    };
    const labels = Object.fromEntries(
      ownLabels(metric).flatMap((label) => (values[label] ? [[label, values[label]]] : [])),
    );
    return {
      interval: '30s',
      input_series: [
        series(metric, labels, counter),
        series(METRIC.buildInfo, { version: '1', revision: 'a', node_version: '20' }, exporter),
        series('process_start_time_seconds', {}, start),
        series(METRIC.deviceInfo, { pci_bdf: BDF, model: 'Arc B580', card: 'card0' }, '1x60'),
      ],
      promql_expr_test: [
        {
          expr: instant ? `sum(${expression})` : `sum(sum_over_time((${expression})[${RANGE}:30s]))`,
          eval_time: END,
          exp_samples: [{ labels: '{}', value: 1 }],
        },
      ],
    };
  });
  return stringify({ evaluation_interval: '30s', tests }, { lineWidth: 0 });
}

/** Runs a file of unit tests. */
function promtool(version: '2' | '3', file: string): { readonly status: number | null; readonly output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-numbers-'));
  try {
    writeFileSync(join(folder, 'test.yaml'), file);
    const { status, stdout, stderr } = spawnSync(tool('PROMTOOL', version), ['test', 'rules', 'test.yaml'], {
      cwd: folder,
      encoding: 'utf8',
    });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('every query of the dashboards that counts', () => {
  it('is found', () => assert.ok(counting.length > 20, `${counting.length} queries`));

  for (const version of ['2', '3'] as const) {
    for (const scene of SCENES) {
      it(`sees one event: ${scene.name} (promtool of Prometheus ${version})`, () => {
        const { status, output } = promtool(version, testFile(scene));
        assert.equal(status, 0, output);
      });
    }
  }
});

describe('firing alerts on the fleet dashboard', () => {
  const { expr } = grafanaDashboards()
    .get('xe-fleet')!
    .panels.find(({ title }) => title === 'Firing alerts')!.targets[0]!;
  const alert = (of: 'ALERTS' | 'GRAFANA_ALERTS', node: string, more = '') => ({
    series: `${of}{alertname="XeDeviceWedged", alertstate="firing", severity="critical", node="${node}", pci_bdf="${BDF}"${more}}`,
    values: '1',
  });
  const file = stringify({
    evaluation_interval: '30s',
    tests: [
      {
        interval: '30s',
        input_series: [
          alert('ALERTS', 'gpu-1'),
          alert('GRAFANA_ALERTS', 'gpu-1', ', grafana_alertstate="alerting", grafana_rule_uid="a"'),
          alert('GRAFANA_ALERTS', 'gpu-2', ', grafana_alertstate="alerting", grafana_rule_uid="a"'),
        ],
        promql_expr_test: [
          {
            expr: interpolated(expr, VARIABLES),
            eval_time: '0s',
            exp_samples: ['gpu-1', 'gpu-2'].map((node) => ({
              labels: `{alertname="XeDeviceWedged", severity="critical", node="${node}"}`,
              value: 1,
            })),
          },
        ],
      },
    ],
  });

  for (const version of ['2', '3'] as const) {
    it(`are those of Prometheus and of Grafana, each once (promtool of Prometheus ${version})`, () => {
      const { status, output } = promtool(version, file);
      assert.equal(status, 0, output);
    });
  }
});

describe('jobs on the dashboards', () => {
  const { expr } = grafanaDashboards()
    .get('xe-node')!
    .panels.find(({ title }) => title === 'Who ran out of GPU memory, and when')!.targets[0]!;
  /** What a job is called, by the labels of its series. */
  const WORDS: readonly (readonly [words: string, labels: Readonly<Record<string, string>>])[] = [
    ['ml/train-0', { [LABEL.k8sNamespace]: 'ml', [LABEL.k8sPod]: 'train-0', [LABEL.k8sContainer]: 'main' }],
    ['render.service', { [LABEL.systemdUnit]: 'render.service' }],
    ['4711', { [LABEL.slurmJobId]: '4711' }],
    ['host process', {}],
    ['unknown: the kernel named no process', everywhere(UNATTRIBUTED_SERIES)],
    ['jobs over the series limit', everywhere(OTHER_SERIES)],
  ];
  const file = stringify({
    evaluation_interval: '30s',
    tests: [
      {
        interval: '30s',
        input_series: WORDS.map(([, labels]) =>
          series(METRIC.clientVmRebindErrorLastTimestamp, { pci_bdf: BDF, errno: 'ENOMEM', ...labels }, '1000x60'),
        ),
        promql_expr_test: [
          {
            expr: `count by (workload) (${interpolated(expr, VARIABLES)})`,
            eval_time: END,
            exp_samples: WORDS.map(([words]) => ({ labels: `{workload="${words}"}`, value: 1 })),
          },
        ],
      },
    ],
  });

  for (const version of ['2', '3'] as const) {
    it(`are called by their names, or in words (promtool of Prometheus ${version})`, () => {
      const { status, output } = promtool(version, file);
      assert.equal(status, 0, output);
    });
  }
});

/** The labels of a pod's series where each has the same value. */
function everywhere(value: string): Readonly<Record<string, string>> {
  return { [LABEL.k8sNamespace]: value, [LABEL.k8sPod]: value, [LABEL.k8sContainer]: value };
}
