import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { waitFor } from '../helpers/wait-for.js';
import { startCollector } from '../helpers/collector.js';
import { packProgram } from '../helpers/packed-program.js';
import type { Measurement, Scope } from './measurement.js';
import { BARE_SERVER, freePort, NODE_OPTIONS, PROGRAM, spawnNode } from './process.js';
import { median } from './statistics.js';

const ROUNDS = 7;
const DEADLINE_MS = 60_000;
/** What {@link BARE_SERVER} is called in tables. */
export const BARE = 'Fastify and prom-client';

/** How long the program takes until it is of use, next to a Node that does nothing. */
export const startUp: Measurement = {
  name: 'start-up',
  title: 'Start-up',
  deadlineSeconds: 600,
  async run(scope) {
    const collector = await startCollector();
    scope.onClose(() => collector.stop());
    const otlp = `--otlp-endpoint=${collector.url}`;
    const packed = [...NODE_OPTIONS, packProgram(join(scope.folder, 'packed'))];
    const exposition = await toFirstScrape(scope, listening([...PROGRAM, 'demo']));
    const series = exposition.match(/^[^#\n]/gm)?.length ?? 0;
    const subjects: [title: string, run: () => Promise<unknown>][] = [
      ['node -e 0', () => toExit(scope, ['-e', '0'])],
      [BARE, () => toFirstScrape(scope, (port) => [...BARE_SERVER, String(port), String(series)])],
      ['--help', () => toExit(scope, [...PROGRAM, '--help'])],
      ['demo', () => toFirstScrape(scope, listening([...PROGRAM, 'demo']))],
      ['demo, in few files', () => toFirstScrape(scope, listening([...packed, 'demo']))],
      ['demo with OTLP', () => toFirstScrape(scope, listening([...PROGRAM, 'demo', otlp]))],
      ['demo with OTLP, in few files', () => toFirstScrape(scope, listening([...packed, 'demo', otlp]))],
    ];
    const took = subjects.map((): number[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, [, run]] of subjects.entries()) {
        const begin = performance.now();
        await run();
        took[index]!.push(performance.now() - begin);
      }
    }
    const [ofNode = NaN, ofBare = NaN] = took.map(median);
    return {
      columns: ['from process start', 'median, ms', 'fastest, ms', 'over node -e 0, ms', 'x node -e 0', `x ${BARE}`],
      rows: subjects.map(([title], index) => {
        const times = took[index]!;
        const typical = median(times);
        return [title, typical, Math.min(...times), typical - ofNode, typical / ofNode, typical / ofBare];
      }),
      notes: [
        `${ROUNDS} rounds, in turn: to the exit of the first and of --help, to the first scrape of the others.`,
        `${BARE}: a script of six lines that serves as many series as the demo, ${series}. In few files: as in the image.`,
      ],
    };
  },
};

async function toExit(scope: Scope, args: readonly string[]): Promise<void> {
  const [code] = await once(scope.child(spawnNode(args)), 'exit');
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
}

/** With the address for {@link firstScrape}. */
export function listening(args: readonly string[]): (port: number) => readonly string[] {
  return (port) => [...args, `--listen-address=127.0.0.1:${port}`];
}

/** @returns what it answered */
async function toFirstScrape(scope: Scope, args: (port: number) => readonly string[]): Promise<string> {
  const port = await freePort();
  const child = scope.child(spawnNode(args(port)));
  const exposition = await firstScrape(child, port);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return exposition;
}

/** Resolves when /metrics answers. @returns with what */
export function firstScrape(child: ChildProcess, port: number): Promise<string> {
  return waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}`);
      const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
      const exposition = await response?.text();
      return response?.ok && exposition;
    },
    { what: 'the first scrape', deadlineMs: DEADLINE_MS },
  );
}
