import { LABEL, METRIC, UNATTRIBUTED_SERIES, type DeviceHealthState } from '../../exporter/names.js';
import type { BlockSeries } from '../bench/fleet/block.js';
import type { SeriesShape } from '../bench/fleet/node-shape.js';
import { SAMPLES_PER_CHUNK, xorChunk } from '../bench/fleet/xor-chunk.js';
import { END, STORIES, valueAt, WATCH_QUEUE, type Story } from './incident.js';

const STEP = 30;
/** Ten minutes more than the longest picture looks back. */
const HISTORY = 6 * 3600 + 600;
const TIMES = Array.from({ length: HISTORY / STEP + 1 }, (_, index) => END - HISTORY + index * STEP);

/** What Prometheus adds to every target. */
const OF_THE_SCRAPE: readonly SeriesShape[] = [
  { name: 'up', labels: {}, value: 1 },
  { name: 'scrape_duration_seconds', labels: {}, value: 0.017 },
];

/** Everything that Prometheus would hold of the nodes of {@link STORIES}, each with the series that a demo shows. */
export function history(demo: readonly SeriesShape[]): BlockSeries[] {
  const shapes = [...ofANode(demo), ...OF_THE_SCRAPE];
  return STORIES.flatMap((story, index) => {
    const place = { cluster: 'prod', node: story.node };
    const target = { ...place, job: 'xe-exporter', instance: `10.0.0.${index + 1}:9464` };
    const series = shapes.map((shape) => ({
      labels: sorted({ __name__: shape.name, ...shape.labels, ...target }),
      chunks: chunks(TIMES.map((time) => [time, valueAt(shape, story, time)] as const).filter(isShown(shape))),
    }));
    return [...series, ...alerts(story, place)];
  });
}

/** A GPU shows the state of health that it is in, and no other. */
function isShown({ name }: SeriesShape): (sample: readonly [time: number, value: number]) => boolean {
  return ([, value]) => name !== METRIC.deviceHealth || value !== 0;
}

function alerts(story: Story, place: Record<string, string>): BlockSeries[] {
  return story.alerts.map(({ labels, from, until }) => ({
    labels: sorted({ __name__: 'ALERTS', alertstate: 'firing', ...labels, ...place }),
    chunks: chunks(TIMES.filter((time) => time >= from && time <= until).map((time) => [time, 1])),
  }));
}

/** The series of a demo as those of a node with the watch queue, with the times of errors that did not happen there. */
function ofANode(demo: readonly SeriesShape[]): SeriesShape[] {
  const shapes = demo
    .filter(({ name, labels }) => !name.startsWith('xe_client_vm_rebind') || labels[LABEL.errno] === 'ENOMEM')
    .filter(({ name }) => name !== METRIC.clientVmRebindErrorLastTimestamp)
    .map((shape) =>
      shape.labels[LABEL.source] === 'simulator'
        ? { ...shape, labels: { ...shape.labels, [LABEL.source]: WATCH_QUEUE } }
        : shape,
    );
  const named = shapes.filter(
    ({ name, labels }) => name === METRIC.clientVmRebindErrors && labels[LABEL.k8sPod] !== UNATTRIBUTED_SERIES,
  );
  const wedged = shapes
    .filter(({ name }) => name === METRIC.deviceHealth)
    .map((shape) => ({ ...shape, labels: { ...shape.labels, [LABEL.state]: 'wedged' satisfies DeviceHealthState } }));
  return [...shapes, ...wedged, ...named.map((shape) => ({ ...shape, name: METRIC.clientVmRebindErrorLastTimestamp }))];
}

/** A chunk holds samples at equal steps: where some are missing, another begins. */
function chunks(samples: readonly (readonly [time: number, value: number])[]): BlockSeries['chunks'] {
  const parts: (readonly [time: number, value: number])[][] = [];
  for (const sample of samples) {
    const part = parts.at(-1);
    if (part !== undefined && part.length < SAMPLES_PER_CHUNK && sample[0] - part.at(-1)![0] === STEP)
      part.push(sample);
    else parts.push([sample]);
  }
  return parts.map((part) => {
    const [from, to] = [part[0]![0] * 1000, part.at(-1)![0] * 1000];
    const values = part.map(([, value]) => value);
    return { from, to, bytes: xorChunk(values, from, STEP * 1000) };
  });
}

function sorted(labels: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(labels)
    .filter(([, value]) => value !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
