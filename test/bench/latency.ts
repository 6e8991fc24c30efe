import { fileURLToPath } from 'node:url';
import type { Measurement } from './measurement.js';
import { PipePrograms, type ReaderResult } from './notification-pipe.js';
import { percentile } from './statistics.js';
import type { Cell } from './table.js';

const EVENTS = 300;
/** The readers take turns, so each hears of an event every 30 ms: all are asleep when it comes. */
const PAUSE_MS = 10;
const READERS = 3;

const BARE_READER = fileURLToPath(new URL('children/bare-reader.js', import.meta.url));

/** How long a single event takes from its posting until it is counted, next to a minimal C program and to a minimal one for Node. */
export const latency: Measurement = {
  name: 'latency',
  title: 'Latency, single event to counter',
  deadlineSeconds: 30,
  async run(scope) {
    const programs = await PipePrograms.compile(scope);
    const exporter = await programs.startExporter('latency', 'times');
    const [cFifo, bareFifo] = [await programs.makeFifo('c-latency'), await programs.makeFifo('bare-latency')];
    const fifos = [exporter.fifo, cFifo, bareFifo];
    const [output, c, bareOutput] = await Promise.all([
      scope.output(programs.writer, 'single', String(EVENTS), String(PAUSE_MS), ...fifos),
      programs.read(cFifo, EVENTS),
      scope.output(process.execPath, BARE_READER, bareFifo),
    ]);
    const { postedNs } = JSON.parse(output) as { postedNs: string[] };
    const [toExporter, toC, toBare] = fifos.map((_, reader) =>
      postedNs.filter((_posted, index) => index % READERS === reader),
    );
    const bare = JSON.parse(bareOutput) as Pick<ReaderResult, 'countedNs'>;
    const { readNs, countedNs } = await exporter.times();
    const found: [what: string, microseconds: readonly number[]][] = [
      ['C: counted', microseconds(toC, c.countedNs)],
      ['bare Node: counted', microseconds(toBare, bare.countedNs)],
      ['exporter: read by its thread', microseconds(toExporter, readNs)],
      ['exporter: counted on /metrics', microseconds(toExporter, countedNs)],
    ];
    const [p99OfC = NaN, p99OfBare = NaN] = found.map(([, took]) => percentile(took, 0.99));
    return {
      columns: ['from posting to', 'p50, us', 'p99, us', 'max, us', 'p99, x C', 'p99, x bare Node'],
      rows: found.map(([what, took]): Cell[] => {
        const p99 = percentile(took, 0.99);
        return [what, percentile(took, 0.5), p99, Math.max(...took), p99 / p99OfC, p99 / p99OfBare];
      }),
      notes: [
        `${EVENTS} events each, one every ${READERS * PAUSE_MS} ms, the readers in turn.`,
        'Bare Node is a script that does nothing but read the pipe and count: the floor of anything in JavaScript.',
      ],
    };
  },
};

function microseconds(from: readonly string[] = [], to: readonly string[]): readonly number[] {
  if (to.length !== from.length) throw new Error(`${to.length} of ${from.length} events`);
  return to.map((end, index) => Number(BigInt(end) - BigInt(from[index] ?? 0)) / 1e3);
}
