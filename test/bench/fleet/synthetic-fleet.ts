import { LABEL } from '../../../exporter/names.js';
import { DEFAULT_RULES_CONFIG, toSeconds } from '../../../dashboards/rules/config.js';
import type { BlockSeries } from './block.js';
import { courseOf, firstVictim, isLongLived, valuesOf, type Course, type SeriesShape } from './node-shape.js';
import { SAMPLES_PER_CHUNK, xorChunk } from './xor-chunk.js';

export interface FleetPlan {
  readonly nodes: number;
  /** What one node shows on /metrics. */
  readonly shapes: readonly SeriesShape[];
  /** Unix time of the last sample, in seconds. */
  readonly end: number;
  /** How far back the samples go, in seconds; a day where a rule wants it. */
  readonly history: number;
}

const DAY = 86_400;
/** How long the exporters have run. */
const UPTIME = 7 * DAY;
const STEP = toSeconds(DEFAULT_RULES_CONFIG.scrapeInterval);
/** One node in so many has errors. */
const ERRORS_ON_ONE_IN = 100;
/** Nodes with values of their own; the others repeat them. */
const VARIANTS = 16;
/** What Prometheus adds to every target. */
const OF_THE_SCRAPE: readonly SeriesShape[] = [
  { name: 'up', labels: {}, value: 1 },
  { name: 'scrape_duration_seconds', labels: {}, value: 0.017 },
  { name: 'scrape_samples_scraped', labels: {}, value: 265 },
  { name: 'scrape_samples_post_metric_relabeling', labels: {}, value: 265 },
  { name: 'scrape_series_added', labels: {}, value: 0 },
];

/** The label `node` of a node by its number. */
export const nodeName = (node: number) => `gpu-${String(node).padStart(5, '0')}`;

/** Every series of the fleet, with the alerts that fire on the nodes with errors. */
export function fleetSeries({ nodes, shapes, end, history }: FleetPlan): BlockSeries[] {
  const victim = firstVictim(shapes);
  const chunksOf = chunkCache(end);
  // The demo whose series these are has just started.
  const all = [...shapes, ...OF_THE_SCRAPE].map((shape) =>
    shape.name === 'process_start_time_seconds' ? { ...shape, value: end - UPTIME } : shape,
  );
  return Array.from({ length: nodes }, (_, node) => {
    const hasErrors = node % ERRORS_ON_ONE_IN === 0;
    const place = { cluster: 'bench', node: nodeName(node) };
    const target = { ...place, job: 'xe-exporter', instance: `10.0.${node >> 8}.${node & 255}:9464` };
    const series = all.map((shape) => {
      const course = courseOf(shape, hasErrors ? victim : undefined);
      const length = isLongLived(shape) ? DAY : history;
      return {
        labels: sorted({ __name__: shape.name, ...ofThisNode(shape.labels, node), ...target }),
        chunks: chunksOf(course, shape.value, length, node % VARIANTS),
      };
    });
    const alerts = hasErrors ? firing(ofThisNode(victim.labels, node)) : [];
    return [
      ...series,
      ...alerts.map((labels) => ({
        labels: sorted({ __name__: 'ALERTS', alertstate: 'firing', severity: 'warning', ...labels, ...place }),
        chunks: chunksOf('constant', 1, history, 0),
      })),
    ];
  }).flat();
}

/** Pods have names of their own across the fleet. */
function ofThisNode(labels: SeriesShape['labels'], node: number): SeriesShape['labels'] {
  const pod = labels[LABEL.k8sPod];
  return pod === undefined || pod === '' || pod.startsWith('_')
    ? labels
    : { ...labels, [LABEL.k8sPod]: `${pod}-${node}` };
}

function firing(victim: SeriesShape['labels']): Record<string, string>[] {
  const device = { [LABEL.pciBdf]: victim[LABEL.pciBdf]! };
  const pod = { [LABEL.k8sNamespace]: victim[LABEL.k8sNamespace]!, [LABEL.k8sPod]: victim[LABEL.k8sPod]! };
  return [
    { alertname: 'XeVMRebindOOM', ...device },
    { alertname: 'XeVMRebindOOMRepeated', ...device },
    { alertname: 'XeVMRebindOOMPod', ...device, ...pod },
  ];
}

function sorted(labels: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(labels)
    .filter(([, value]) => value !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Encodes equal chunks once: most series of most nodes are alike. */
function chunkCache(end: number) {
  const known = new Map<string, BlockSeries['chunks']>();
  return (course: Course, base: number, length: number, variant: number): BlockSeries['chunks'] => {
    const varies = course === 'busy counter' || course === 'wandering';
    const key = [course, base, length, varies ? variant : 0].join();
    let chunks = known.get(key);
    if (chunks === undefined) {
      const times = Array.from({ length: length / STEP + 1 }, (_, index) => end - length + index * STEP);
      chunks = encoded(valuesOf(course, base, times, variant), times);
      known.set(key, chunks);
    }
    return chunks;
  };
}

function encoded(values: readonly number[], times: readonly number[]): BlockSeries['chunks'] {
  const starts = Array.from(
    { length: Math.ceil(values.length / SAMPLES_PER_CHUNK) },
    (_, chunk) => chunk * SAMPLES_PER_CHUNK,
  );
  return starts.map((first) => {
    const part = values.slice(first, first + SAMPLES_PER_CHUNK);
    const from = times[first]! * 1000;
    return { from, to: times[first + part.length - 1]! * 1000, bytes: xorChunk(part, from, STEP * 1000) };
  });
}
