import type { Measurement } from './measurement.js';
import { PipePrograms } from './notification-pipe.js';
import { percentile } from './statistics.js';
import type { Cell } from './table.js';

const EVENTS = 300;
/** The readers take turns, so each hears of an event every 20 ms: both are asleep when it comes. */
const PAUSE_MS = 10;

/** How long a single event takes from its posting until it is counted, next to a minimal C program. */
export const latency: Measurement = {
  name: 'latency',
  title: 'Latency, single event to counter',
  deadlineSeconds: 30,
  async run(scope) {
    const programs = await PipePrograms.compile(scope);
    const exporter = await programs.startExporter('latency', 'times');
    const fifo = await programs.makeFifo('c-latency');
    const [output, read] = await Promise.all([
      scope.output(programs.writer, 'single', String(EVENTS), String(PAUSE_MS), exporter.fifo, fifo),
      programs.read(fifo, EVENTS),
    ]);
    const { postedNs } = JSON.parse(output) as { postedNs: string[] };
    const ours = postedNs.filter((_, index) => index % 2 === 0);
    const theirs = postedNs.filter((_, index) => index % 2 === 1);
    const { readNs, countedNs } = await exporter.times();
    return {
      columns: ['from posting to', 'p50, us', 'p99, us', 'max, us'],
      rows: [
        row('C: counted', ours.length, theirs, read.countedNs),
        row('exporter: read by its thread', ours.length, ours, readNs),
        row('exporter: counted on /metrics', ours.length, ours, countedNs),
      ],
      notes: [`${EVENTS} events each, one every ${2 * PAUSE_MS} ms, the two readers in turn.`],
    };
  },
};

function row(what: string, count: number, from: readonly string[], to: readonly string[]): Cell[] {
  if (to.length !== count) throw new Error(`${what}: ${to.length} of ${count} events`);
  const microseconds = to.map((end, index) => Number(BigInt(end) - BigInt(from[index] ?? 0)) / 1e3);
  return [what, percentile(microseconds, 0.5), percentile(microseconds, 0.99), Math.max(...microseconds)];
}
