import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { processMemory } from '../bench/process.js';
import { startCollector, type Behaviour } from '../helpers/collector.js';
import { ExporterProcess } from '../helpers/exporter-process.js';
import { StreamReader } from '../helpers/stream.js';
import { slope, type Sample } from './slope.js';

const USAGE = `Usage: npm run soak -- [--duration=1h]

Runs the exporter on its simulated node (clients and pods come and go) under everyday trouble: scrapes, readers that come and go,
collector outages and reloads. Prints how memory and handles developed after the first quarter, and fails when they grow.
`;

/** What may be left of growth after the warm-up, over the whole rest: less is noise of the garbage collector. */
const MOST_GROWTH = { 'RSS, MiB': 8, handles: 8, descriptors: 4, threads: 2 } as const;
type Measured = keyof typeof MOST_GROWTH;

const { values } = parseArgs({ options: { duration: { type: 'string', default: '1h' }, help: { type: 'boolean' } } });
const durationMs = parseDuration(values.duration);
if (values.help || durationMs === undefined) {
  process.stderr.write(USAGE);
  process.exit(values.help ? 0 : 2);
}
process.exit(await soak(durationMs));

function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d+)(s|m|h)$/.exec(text) ?? [];
  const ms = Number(digits) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h'];
  return ms >= 20_000 ? ms : undefined;
}

async function soak(totalMs: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'soak-'));
  const config = join(folder, 'config.yaml');
  writeFileSync(config, 'logLevel: warn\n');
  // What keeps the exporter's event loop busy, which only it can tell.
  const handles = join(folder, 'handles');
  const count = `import { writeFileSync } from 'node:fs';
    const count = () => writeFileSync(${JSON.stringify(handles)}, String(process.getActiveResourcesInfo().length));
    count();
    setInterval(count, 500).unref();`;
  const collector = await startCollector();
  const exporter = await ExporterProcess.run(
    [
      'demo',
      '--listen-address=127.0.0.1:0',
      '--demo-rate=20',
      `--config=${config}`,
      `--otlp-endpoint=${collector.url}`,
    ],
    {
      execArgv: [
        '--v8-pool-size=1',
        '--optimize-for-size',
        `--import=data:text/javascript,${encodeURIComponent(count)}`,
      ],
    },
    ({ raw }) => /http:\/\/127\.0\.0\.1:\d+/.exec(String(raw ?? ''))?.[0],
  );
  const samples: Record<Measured, Sample[]> = { 'RSS, MiB': [], handles: [], descriptors: [], threads: [] };
  const begin = performance.now();
  let ended = false;
  const again = async (everyMs: number, work: () => Promise<unknown>): Promise<void> => {
    while (!ended) {
      await work();
      await delay(everyMs);
    }
  };
  const pid = exporter.child.pid ?? 0;
  const at = (): number => (performance.now() - begin) / 1000;
  const take = async (): Promise<void> => {
    samples['RSS, MiB'].push({ at: at(), value: (await processMemory(pid)).rss });
    samples.handles.push({ at: at(), value: Number(readFileSync(handles, 'utf8')) });
    samples.descriptors.push({ at: at(), value: readdirSync(`/proc/${pid}/fd`).length });
    samples.threads.push({ at: at(), value: readdirSync(`/proc/${pid}/task`).length });
  };
  const outages: readonly Behaviour[] = [
    { kind: 'ok' },
    { kind: 'hang' },
    { kind: 'ok' },
    { kind: 'unavailable', retryAfter: 1 },
    { kind: 'reset' },
    { kind: 'partial', rejected: 1 },
  ];
  let turn = 0;
  const work = [
    again(1000, () => exporter.metrics()),
    again(3000, () => fetchText(`${exporter.url}/`)),
    again(2000, () => fetchText(`${exporter.url}/events?format=json`)),
    again(1500, () => readAWhile(exporter.url)),
    again(15_000, async () => (collector.behaviour = outages[turn++ % outages.length] ?? { kind: 'ok' })),
    again(20_000, async () => {
      writeFileSync(config, `logLevel: warn\n# ${turn}\n`);
      exporter.child.kill('SIGHUP');
    }),
    // At most some 500 samples, however long it takes.
    again(Math.max(1000, totalMs / 500), take),
  ];
  await Promise.race([delay(totalMs), exporter.exited]);
  ended = true;
  const died = exporter.child.exitCode !== null || exporter.child.signalCode !== null;
  await Promise.allSettled(work);
  await exporter.stop();
  await collector.stop();
  await rm(folder, { recursive: true });
  return died ? fail('the exporter ended by itself') : report(samples, totalMs / 1000);
}

async function fetchText(url: string): Promise<string> {
  return (await fetch(url)).text();
}

/** A reader of the event stream who leaves without a word. */
async function readAWhile(url: string): Promise<void> {
  const reader = await StreamReader.open(url);
  await delay(1000);
  reader.close();
}

function report(samples: Readonly<Record<Measured, readonly Sample[]>>, seconds: number): number {
  let grown = 0;
  for (const [name, most] of Object.entries(MOST_GROWTH) as [Measured, number][]) {
    const warm = samples[name].filter(({ at }) => at > seconds / 4);
    const perHour = slope(warm) * 3600;
    const growth = slope(warm) * seconds * 0.75;
    const verdict = growth > most ? 'GROWS' : 'level';
    if (growth > most) grown++;
    const [first, last] = [warm.at(0)?.value ?? NaN, warm.at(-1)?.value ?? NaN];
    process.stdout.write(
      `${name.padEnd(12)} ${first.toFixed(1)} -> ${last.toFixed(1)}, slope ${perHour.toFixed(2)} an hour over ${warm.length} samples: ${verdict}\n`,
    );
  }
  return grown === 0 ? 0 : fail(`${grown} of them grew after the warm-up`);
}

function fail(why: string): number {
  process.stderr.write(`soak: ${why}\n`);
  return 1;
}
