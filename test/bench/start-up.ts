import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '../helpers/wait-for.js';
import { startCollector } from '../helpers/collector.js';
import type { Measurement, Scope } from './measurement.js';
import { freePort, PROGRAM, spawnNode } from './process.js';
import { median } from './statistics.js';

const ROUNDS = 7;
const DEADLINE_MS = 60_000;

/** How long the program takes until it is of use, next to a Node that does nothing. */
export const startUp: Measurement = {
  name: 'start-up',
  title: 'Start-up',
  deadlineSeconds: 600,
  async run(scope) {
    const collector = await startCollector();
    scope.onClose(() => collector.stop());
    const subjects: [title: string, run: () => Promise<void>][] = [
      ['node -e 0', () => toExit(scope, ['-e', '0'])],
      ['--help', () => toExit(scope, [...PROGRAM, '--help'])],
      ['demo: first scrape', () => toFirstScrape(scope, [])],
      ['demo with OTLP: first scrape', () => toFirstScrape(scope, [`--otlp-endpoint=${collector.url}`])],
    ];
    const took = subjects.map((): number[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, [, run]] of subjects.entries()) {
        const begin = performance.now();
        await run();
        took[index]!.push(performance.now() - begin);
      }
    }
    const bare = median(took[0]!);
    return {
      columns: ['from process start', 'median, ms', 'fastest, ms', 'over node -e 0, ms', 'x node -e 0'],
      rows: subjects.map(([title], index) => {
        const times = took[index]!;
        return [title, median(times), Math.min(...times), median(times) - bare, median(times) / bare];
      }),
      notes: [`${ROUNDS} rounds, in turn.`],
    };
  },
};

async function toExit(scope: Scope, args: readonly string[]): Promise<void> {
  const [code] = await once(scope.child(spawnNode(args)), 'exit');
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
}

async function toFirstScrape(scope: Scope, args: readonly string[]): Promise<void> {
  const port = await freePort();
  const child = scope.child(spawnNode([...PROGRAM, 'demo', `--listen-address=127.0.0.1:${port}`, ...args]));
  await firstScrape(child, port);
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Resolves when /metrics answers. */
export async function firstScrape(child: ChildProcess, port: number): Promise<void> {
  await waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`the exporter ended with ${child.exitCode}`);
      const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
      await response?.arrayBuffer();
      return response?.ok;
    },
    { what: 'the first scrape', deadlineMs: DEADLINE_MS },
  );
}
