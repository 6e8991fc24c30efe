/**
 * `npm run bench:fleet -- [--nodes=500,1000,2000] [--against=COMMIT] [--metrics=FILE] [--limit=SECONDS] [--rules]`: how long a real
 * Prometheus takes for each rule and each panel over a synthetic fleet. `--against` asks it the rules and panels of another commit in
 * the same run, and `--against-metrics=FILE` asks them over the series that a node had then; `--metrics=FILE` takes a node's series from a
 * file instead of the demo; `--rules` leaves the panels out.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { METRIC } from '../../../exporter/names.js';
import { waitFor } from '../../helpers/wait-for.js';
import { startDemo } from '../../system/demo-exporter.js';
import { startServer, type ServerProcess } from '../../system/server-process.js';
import { tool } from '../../system/tool.js';
import { median } from '../statistics.js';
import { renderTable, type Cell } from '../table.js';
import { writeBlock } from './block.js';
import { readShapes } from './node-shape.js';
import { panels, rules, type Question } from './questions.js';
import { fleetSeries, nodeName } from './synthetic-fleet.js';

const { values: options } = parseArgs({
  options: {
    nodes: { type: 'string', default: '500,1000,2000' },
    against: { type: 'string' },
    metrics: { type: 'string' },
    'against-metrics': { type: 'string' },
    limit: { type: 'string', default: '20' },
    rules: { type: 'boolean', default: false },
  },
});
const sizes = options.nodes.split(',').map(Number);
if (!sizes.every((size) => Number.isInteger(size) && size > 0)) {
  console.error(`bench:fleet: --nodes takes whole numbers of nodes, like 500,1000, not ${options.nodes}`);
  process.exit(2);
}

const HOUR = 3600;
const RANGE = 6 * HOUR;
const SCRAPE_SECONDS = 30;
const PROJECTED_NODES = 10_000;
/** What a fleet of this size may cost: seconds for all rules, and for each panel of a dashboard. */
const GOAL = { nodes: 1000, rules: 1.5, panel: 2 };
/** What Grafana fills in for six hours, beside what depends on the step of a panel. */
const BUILT_IN = { __range: '6h', __range_s: `${RANGE}` };
const ALL = { ...BUILT_IN, cluster: '.*', node: '.*', pci_bdf: '.*', namespace: '.*' };
const VARIABLES = { 'xe-fleet': ALL, 'xe-node': { ...ALL, node: nodeName(0) }, 'xe-exporter-health': ALL };

const shapes = readShapes(options.metrics === undefined ? await demoMetrics() : readFileSync(options.metrics, 'utf8'));
const versions = [
  ...(options.against === undefined ? [] : [{ title: options.against, commit: options.against, shapes: shapesThen() }]),
  { title: 'now', commit: undefined, shapes },
].map(({ title, commit, shapes: of }) => ({
  title,
  shapes: of,
  rules: rules(commit),
  panels: options.rules ? [] : panels(VARIABLES, commit),
}));

/** Seconds by version, question and fleet; a word where there is no answer. */
const seconds = new Map<Question, Cell[]>();
for (const size of sizes) for (const version of versions) await measure(size, version);

const columns = [...sizes.map((size) => `${size} nodes`), `${PROJECTED_NODES} (projected)`];
for (const { title, rules: asked } of versions) {
  const sums = (label: string, some: readonly Question[]): Cell[] => {
    const figures = sizes.map((_, index) => sum(some.map((question) => seconds.get(question)![index]!)));
    return [label, ...figures, projected(figures)];
  };
  const groups = [...new Set(asked.map(({ of }) => of))];
  show(
    `Rules of ${title}, seconds`,
    ['group', ...columns],
    [
      ...groups.map((group) =>
        sums(
          group,
          asked.filter(({ of }) => of === group),
        ),
      ),
      sums('all', asked),
    ],
  );
  show(
    `Rules of ${title}, seconds each`,
    ['rule', ...columns],
    asked.map((question) => row(question, question.name)),
  );
}
for (const { title, panels: asked } of versions) {
  if (asked.length === 0) continue;
  const rows = asked.map((question) => row(question, `${question.of}: ${question.name}`));
  show(`Panels of ${title} over 6 h, seconds`, ['panel', ...columns], rows);
}

judge();

/** Says whether the goal is met, where it was measured: a query beyond the default limits of Prometheus has no figure and misses it. */
function judge(): void {
  const column = sizes.indexOf(GOAL.nodes);
  if (column < 0) return;
  const { rules: alerts, panels: drawn } = versions.at(-1)!;
  const figure = (question: Question) => seconds.get(question)![column]!;
  const total = sum(alerts.map(figure));
  const verdict = (met: boolean) => (met ? 'met' : 'missed');
  const goal = (what: string, limit: number) => `\nGoal: ${what} within ${limit} s at ${GOAL.nodes} nodes`;
  console.log(`${goal('all rules', GOAL.rules)}: ${verdict(isWithin(total, GOAL.rules))} (${rendered(total)})`);
  if (drawn.length === 0) return;
  const slow = drawn.filter((question) => !isWithin(figure(question), GOAL.panel));
  const names = slow.map((question) => `${question.of}: ${question.name} (${rendered(figure(question))})`);
  const slowest = Math.max(...drawn.map(figure).filter((cell) => typeof cell === 'number'));
  const found = slow.length === 0 ? `the slowest takes ${rendered(slowest)}` : names.join(', ');
  console.log(`${goal('each panel over 6 h', GOAL.panel)}: ${verdict(slow.length === 0)} (${found})`);
}

function isWithin(cell: Cell, limit: number): boolean {
  return typeof cell === 'number' && cell < limit;
}

function rendered(cell: Cell): string {
  return typeof cell === 'number' ? `${cell.toFixed(2)} s` : cell;
}

/** Writes the fleet, starts Prometheus over it and asks it everything. */
async function measure(nodes: number, version: (typeof versions)[number]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-fleet-'));
  const data = join(folder, 'data');
  mkdirSync(data);
  const end = Math.floor(Date.now() / 1000 / SCRAPE_SECONDS) * SCRAPE_SECONDS;
  try {
    const begin = performance.now();
    const series = fleetSeries({ nodes, shapes: version.shapes, end, history: RANGE + 2 * HOUR });
    writeBlock(data, series);
    console.log(`${version.title}, ${nodes} nodes: ${series.length} series written in ${elapsed(begin).toFixed(1)} s`);
    const prometheus = await startServer({ 'prometheus.yml': 'scrape_configs: []\n' }, (address) => ({
      program: tool('PROMETHEUS', '2'),
      args: ['--config.file=prometheus.yml', `--storage.tsdb.path=${data}`, `--web.listen-address=${address}`],
    }));
    try {
      for (const question of [...version.rules, ...version.panels]) {
        seconds.set(question, [...(seconds.get(question) ?? []), await time(prometheus, question, end)]);
      }
    } finally {
      await prometheus.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Median of three, or the first when it is slow already. */
async function time(prometheus: ServerProcess, { expression, instant, step }: Question, end: number): Promise<Cell> {
  const when = instant ? `time=${end}` : `start=${end - RANGE}&end=${end}&step=${step}`;
  const body = `query=${encodeURIComponent(expression)}&timeout=${options.limit}s&${when}`;
  const ask = async (): Promise<Cell> => {
    const begin = performance.now();
    const response = await fetch(`${prometheus.url}/api/v1/query${instant ? '' : '_range'}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
    });
    const text = await response.text();
    if (response.ok) return elapsed(begin);
    if (/timed out|canceled/.test(text)) return `> ${options.limit}`;
    if (/too many samples/.test(text)) return 'too many samples';
    throw new Error(`Prometheus said ${response.status} to ${expression}: ${text}`);
  };
  const first = await ask();
  if (typeof first === 'string' || first > 3) return first;
  const more = [await ask(), await ask()];
  return median([first, ...more.filter((cell) => typeof cell === 'number')]);
}

function shapesThen() {
  const file = options['against-metrics'];
  return file === undefined ? shapes : readShapes(readFileSync(file, 'utf8'));
}

function elapsed(begin: number): number {
  return (performance.now() - begin) / 1000;
}

/** What the demo shows once every kind of series is there. */
async function demoMetrics(): Promise<string> {
  const demo = await startDemo({ flags: ['--demo-rate=5'] });
  try {
    return await waitFor(
      async () => {
        const text = await (await fetch(demo.metricsUrl)).text();
        return text.includes(METRIC.clientVmRebindErrors) && text.includes(METRIC.clientMemoryResident) && text;
      },
      { deadlineMs: 30_000, what: 'series of pods with their memory' },
    );
  } finally {
    await demo.stop();
  }
}

/** Proportional to the largest fleet. */
function projected(figures: readonly Cell[]): Cell {
  const last = figures.at(-1);
  return typeof last === 'number' ? (last * PROJECTED_NODES) / sizes.at(-1)! : '-';
}

function sum(cells: readonly Cell[]): Cell {
  return cells.every((cell) => typeof cell === 'number')
    ? cells.reduce((total, cell) => total + cell, 0)
    : 'incomplete';
}

function row(question: Question, label: string): Cell[] {
  const figures = seconds.get(question)!;
  return [label, ...figures, projected(figures)];
}

function show(title: string, headings: readonly string[], rows: readonly Cell[][]): void {
  console.log(`\n${title}`);
  console.log(renderTable({ columns: headings, rows, notes: [] }));
}
