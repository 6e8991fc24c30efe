import { LABEL, METRIC } from '../../../exporter/names.js';

/** One series of a node, as its /metrics shows it. */
export interface SeriesShape {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Seconds between two out-of-memory errors on a node that has them. */
const ERROR_EVERY_SECONDS = 120;
/** Metrics that some rule looks at for a whole day. */
const LONG_LIVED: readonly string[] = [METRIC.vmRebindErrors, METRIC.buildInfo, 'process_start_time_seconds'];

/** The series of an exposition, histograms included. */
export function readShapes(exposition: string): SeriesShape[] {
  return exposition.split('\n').flatMap((line) => {
    const [, name = '', labels = '', value = ''] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === '') return [];
    const pairs = [...labels.matchAll(/([a-z0-9_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text]);
    return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }];
  });
}

export function isLongLived({ name }: SeriesShape): boolean {
  return LONG_LIVED.includes(name);
}

/** How the values of a series go on. */
export type Course = 'constant' | 'quiet counter' | 'error counter' | 'error time' | 'busy counter' | 'wandering';

/**
 * The course of a series. On a node with errors, the first GPU and its first pod have one every two minutes; everything else that
 * counts events stands at 0, because that is what it does nearly everywhere.
 * @param victim what {@link firstVictim} found
 */
export function courseOf({ name, labels }: SeriesShape, victim: SeriesShape | undefined): Course {
  if (name.startsWith('process_cpu')) return 'busy counter';
  if (/memory_(used|resident|total|shared|purgeable)|^process_resident|^nodejs_eventloop/.test(name))
    return 'wandering';
  if (!/_(total|bucket|count|sum)$/.test(name) && name !== METRIC.vmRebindErrorLastTimestamp) return 'constant';
  return victim !== undefined && isHit(name, labels, victim.labels)
    ? name === METRIC.vmRebindErrorLastTimestamp
      ? 'error time'
      : 'error counter'
    : 'quiet counter';
}

/** The series of the pod that runs out of memory. */
export function firstVictim(shapes: readonly SeriesShape[]): SeriesShape {
  const found = shapes.find(
    ({ name, labels }) =>
      name === METRIC.clientVmRebindErrors &&
      labels[LABEL.errno] === 'ENOMEM' &&
      !labels[LABEL.k8sPod]?.startsWith('_'),
  );
  if (found === undefined) throw new Error('the exposition has no pod that could run out of memory');
  return found;
}

function isHit(name: string, labels: SeriesShape['labels'], victim: SeriesShape['labels']): boolean {
  if (name.startsWith(METRIC.eventLatency)) return true;
  if (name === METRIC.eventsReceived) return true;
  if (name === METRIC.vmRebindOomOutcomes)
    return labels[LABEL.pciBdf] === victim[LABEL.pciBdf] && labels[LABEL.outcome] === 'repeated';
  const named: readonly string[] = [
    METRIC.vmRebindErrors,
    METRIC.clientVmRebindErrors,
    METRIC.vmRebindErrorLastTimestamp,
  ];
  return named.includes(name) && Object.entries(labels).every(([label, text]) => victim[label] === text);
}

/**
 * The values of a series at each scrape.
 * @param times Unix times in seconds
 * @param variant nodes of the same variant have the same values
 */
export function valuesOf(course: Course, base: number, times: readonly number[], variant: number): number[] {
  const start = times[0] ?? 0;
  const errors = (time: number) => Math.floor((time - start) / ERROR_EVERY_SECONDS);
  const random = generator(variant + base);
  let level = base;
  switch (course) {
    case 'constant':
      return times.map(() => base);
    case 'quiet counter':
      return times.map(() => 0);
    case 'error counter':
      return times.map(errors);
    case 'error time':
      return times.map((time) => start + errors(time) * ERROR_EVERY_SECONDS);
    case 'busy counter':
      return times.map(() => (level += 0.1 + random() / 10));
    case 'wandering':
      // Memory goes up and down in large steps, now and then.
      return times.map(() => (level = random() < 0.1 ? Math.round(base * (0.5 + random())) : level));
  }
}

/** Random numbers of 0 to 1, the same ones in every run (mulberry32). */
function generator(seed: number): () => number {
  let state = Math.trunc(seed * 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
