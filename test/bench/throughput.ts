import type { Measurement, Scope } from './measurement.js';
import { PipePrograms, type FloodAnswer, type PipeToCounter } from './notification-pipe.js';
import { median } from './statistics.js';
import type { Cell, Table } from './table.js';

const ROUNDS = 5;
const FLOOD_MS = 600;

/**
 * Most records under way in the loss-free variant. Each a batch of its own, they would still fit the reader queue of 4 MiB: 48
 * bytes each with the batch header.
 */
const WINDOW = 64 << 10;

interface Regime {
  readonly title: string;
  readonly recordsAWrite: number;
  readonly pipeBytes: number;
}

const REGIMES: readonly Regime[] = [
  { title: '64 KiB a write', recordsAWrite: 4096, pipeBytes: 64 << 10 },
  // As the kernel posts; 512 records of 16 bytes fill the largest ring.
  { title: 'one record a write', recordsAWrite: 1, pipeBytes: 512 * 16 },
];

/** One reader in one round. */
interface Round {
  readonly recordsPerSecond: number;
  readonly droppedShare: number;
  readonly cpuNsPerRecord: number;
}

/** How many records get from the pipe into counters, next to a minimal C program that reads the same. */
export const throughput: Measurement = {
  name: 'throughput',
  title: 'Throughput, pipe to counter',
  deadlineSeconds: 60,
  async run(scope) {
    const programs = await PipePrograms.compile(scope);
    const exporter = await programs.startExporter('throughput', 'flood');
    // Optimised code is what runs for the months after the first second.
    for (const regime of REGIMES) await exporter.flood(floodArgs(regime, FLOOD_MS / 2), WINDOW);
    const rows: Cell[][] = [];
    for (const regime of REGIMES) rows.push(...(await compare(scope, programs, exporter, regime)));
    return {
      columns: ['writer', 'reader', 'records/s', 'of C', 'dropped, %', 'CPU ns/record'],
      rows,
      notes: NOTES,
    } satisfies Table;
  },
};

const NOTES = [
  `Medians of ${ROUNDS} rounds of ${FLOOD_MS} ms, taken in turn. Every record written was counted or counted as dropped.`,
  'Flooded: the writer never waits for the exporter, whose reader thread drops what does not fit its queue and never blocks.',
  `Loss-free: the same path with at most ${WINDOW} records under way, that is the speed of JavaScript.`,
];

async function compare(
  scope: Scope,
  programs: PipePrograms,
  exporter: PipeToCounter,
  regime: Regime,
): Promise<Cell[][]> {
  const args = floodArgs(regime, FLOOD_MS);
  const fifo = await programs.makeFifo(`c-${regime.recordsAWrite}`);
  const c: Round[] = [];
  const flooded: Round[] = [];
  const lossFree: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    c.push(await readInC(scope, programs, fifo, args));
    flooded.push(toRound(await exporter.flood(args, 0)));
    lossFree.push(toRound(await exporter.flood(args, WINDOW)));
  }
  return [
    row(regime, 'C', c, c),
    row(regime, 'exporter, flooded', flooded, c),
    row(regime, 'exporter, loss-free', lossFree, c),
  ];
}

function floodArgs({ recordsAWrite, pipeBytes }: Regime, milliseconds: number): string[] {
  return [recordsAWrite, milliseconds, pipeBytes].map(String);
}

async function readInC(scope: Scope, programs: PipePrograms, fifo: string, args: readonly string[]): Promise<Round> {
  const [written, read] = await Promise.all([
    scope.output(programs.writer, 'flood', fifo, ...args, '0'),
    programs.read(fifo),
  ]);
  const { records, beginNs } = JSON.parse(written) as { records: number; beginNs: string };
  if (read.records !== records) throw new Error(`the C reader counted ${read.records} of ${records} records`);
  const cpuSeconds = read.cpuNs / 1e9;
  return toRound({
    written: records,
    counted: records,
    dropped: 0,
    seconds: Number(BigInt(read.endNs) - BigInt(beginNs)) / 1e9,
    cpuSeconds,
  });
}

function toRound({ written, counted, dropped, seconds, cpuSeconds }: FloodAnswer): Round {
  return {
    recordsPerSecond: counted / seconds,
    droppedShare: dropped / written,
    cpuNsPerRecord: (cpuSeconds * 1e9) / counted,
  };
}

function row({ title }: Regime, reader: string, rounds: readonly Round[], c: readonly Round[]): Cell[] {
  return [
    title,
    reader,
    median(rounds.map(({ recordsPerSecond }) => recordsPerSecond)),
    median(rounds.map(({ recordsPerSecond }, index) => recordsPerSecond / c[index]!.recordsPerSecond)),
    100 * median(rounds.map(({ droppedShare }) => droppedShare)),
    median(rounds.map(({ cpuNsPerRecord }) => cpuNsPerRecord)),
  ];
}
