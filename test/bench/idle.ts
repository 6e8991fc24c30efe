import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { startCollector } from '../helpers/collector.js';
import { packProgram } from '../helpers/packed-program.js';
import type { Measurement, Scope } from './measurement.js';
import { BARE_SERVER, freePort, NODE_OPTIONS, PROGRAM, processMemory, processTime, spawnNode } from './process.js';
import { BARE, firstScrape, listening } from './start-up.js';
import type { Cell } from './table.js';

/** V8 tidies up for up to 20 s after the last thing that happened, with as much CPU as two idle minutes take. */
const SETTLE_MS = 25_000;
const WINDOW_MS = 60_000;
/** An afternoon's worth at one every 15 s: V8's young generation grows with every one of them for as long as it may. */
const SCRAPES = 1000;
/** Of the bare server: as many as `serve` has without a GPU. */
const SERIES = 60;

interface Subject {
  readonly title: string;
  readonly pid: number;
  /** Undefined where there is nothing to scrape. */
  readonly port: number | undefined;
}

/** What the exporter costs a node on which nothing happens, next to a Node that waits for a timer. All side by side. */
export const idle: Measurement = {
  name: 'idle',
  title: 'Idle CPU and memory',
  deadlineSeconds: 600,
  async run(scope) {
    const collector = await startCollector();
    scope.onClose(() => collector.stop());
    const otlp = `--otlp-endpoint=${collector.url}`;
    const packed = [...NODE_OPTIONS, packProgram(join(scope.folder, 'packed'))];
    const demo = ['demo', '--demo-rate=0.01'];
    const subjects: Subject[] = [
      bare(scope),
      ...(await Promise.all([
        server(scope, BARE, (port) => [...BARE_SERVER, String(port), String(SERIES)]),
        server(scope, 'serve', listening([...PROGRAM, 'serve'])),
        server(scope, 'serve, in few files', listening([...packed, 'serve'])),
        server(scope, 'demo', listening([...PROGRAM, ...demo])),
        server(scope, 'serve with OTLP', listening([...PROGRAM, 'serve', otlp])),
        server(scope, 'demo with OTLP', listening([...PROGRAM, ...demo, otlp])),
      ])),
    ];
    await delay(SETTLE_MS);
    const before = await Promise.all(subjects.map(({ pid }) => processTime(pid)));
    const begin = performance.now();
    await delay(WINDOW_MS);
    const minutes = (performance.now() - begin) / 60_000;
    const after = await Promise.all(subjects.map(({ pid }) => processTime(pid)));
    const idleMemory = await Promise.all(subjects.map(({ pid }) => processMemory(pid)));
    const scraped = await Promise.all(
      subjects.map(async ({ pid, port }) => {
        if (port !== undefined) await scrapeOften(port);
        return processMemory(pid);
      }),
    );
    const [ofNode = NaN, ofBare = NaN] = scraped.map(({ rss }) => rss);
    return {
      columns: [
        'process',
        'CPU s/min',
        'RSS, MiB',
        'anonymous, MiB',
        'peak, MiB',
        `RSS after ${SCRAPES} scrapes, MiB`,
        'anonymous, MiB',
        'x bare Node',
        `x ${BARE}`,
      ],
      rows: subjects.map(({ title }, index): Cell[] => {
        const { rss, anonymous, peak } = idleMemory[index]!;
        const loaded = scraped[index]!;
        const cpu = (after[index]! - before[index]!) / minutes;
        const ratios = [loaded.rss / ofNode, loaded.rss / ofBare];
        return [title, cpu, rss, anonymous, peak, loaded.rss, loaded.anonymous, ...ratios];
      }),
      notes: [
        `Over ${WINDOW_MS / 1000} s after one scrape and ${SETTLE_MS / 1000} s of rest. CPU comes in steps of 10 ms. The demo simulates a node, and is not idle.`,
        `${BARE}: a script of six lines that serves ${SERIES} series. In few files: as in the image.`,
        'What is not anonymous is mostly the Node.js binary, which all Node.js processes of a machine share.',
      ],
    };
  },
};

function bare(scope: Scope): Subject {
  const child = scope.child(spawnNode(['-e', 'setInterval(() => undefined, 1000)']));
  return { title: 'node -e setInterval', pid: child.pid ?? 0, port: undefined };
}

async function server(scope: Scope, title: string, args: (port: number) => readonly string[]): Promise<Subject> {
  const port = await freePort();
  const child = scope.child(spawnNode(args(port)));
  await firstScrape(child, port);
  return { title, pid: child.pid ?? 0, port };
}

async function scrapeOften(port: number): Promise<void> {
  for (let scrapes = 0; scrapes < SCRAPES; scrapes++) {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    await response.arrayBuffer();
  }
}
