import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../helpers/wait-for.js';
import type { Measurement, Scope } from './measurement.js';
import { freePort, processTime } from './process.js';
import { median, percentile } from './statistics.js';
import type { Cell } from './table.js';

const SERIES = 3000;
const WARM_UP = 30;
const SCRAPES = 150;

const SERVER = fileURLToPath(new URL('children/series-server.js', import.meta.url));

/** Something with a /metrics, and what a scraper on a connection of its own sees of it. */
interface Target {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly agent: Agent;
}

/** What a scrape of many series takes, next to Debian's prometheus-node-exporter with the very same series. */
export const scrape: Measurement = {
  name: 'scrape',
  title: `Scrape of ${SERIES} series`,
  deadlineSeconds: 90,
  async run(scope) {
    const exporter = await startSeriesServer(scope);
    const notes = [
      `Medians of ${SCRAPES} scrapes each, in turn, over one kept-alive connection. CPU is the server's, all threads.`,
    ];
    const targets = [exporter];
    try {
      targets.push(await startNodeExporter(scope, await body(exporter)));
    } catch (error) {
      notes.push(
        `No prometheus-node-exporter to compare with: ${String(error).split('\n', 1)[0]}. It is a Debian package.`,
      );
    }
    const rows: Cell[][] = [];
    for (const encoding of ['identity', 'gzip']) rows.push(...(await compare(targets, encoding)));
    return {
      columns: ['server', 'encoding', 'median, ms', 'p99, ms', 'CPU, ms', 'body, KiB'],
      rows,
      notes,
    };
  },
};

async function startSeriesServer(scope: Scope): Promise<Target> {
  const child = scope.child(fork(SERVER, [String(SERIES)]));
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return target('xe-exporter', `${url}/metrics`, child.pid);
}

/** The one that is installed, or else from the Debian package, fetched by its name and unpacked: no service starts. */
async function findNodeExporter(scope: Scope): Promise<string> {
  const program = 'usr/bin/prometheus-node-exporter';
  if (existsSync(`/${program}`)) return `/${program}`;
  const limits = ['Acquire::http::Timeout=10', 'Acquire::Retries=0'].flatMap((limit) => ['-o', limit]);
  await scope.output('apt-get', ...limits, 'download', 'prometheus-node-exporter');
  await scope.output('sh', '-c', 'dpkg-deb --extract prometheus-node-exporter_*.deb package');
  return join(scope.folder, 'package', program);
}

/** Serves the exposition from a file, and nothing else. */
async function startNodeExporter(scope: Scope, exposition: string): Promise<Target> {
  const program = await findNodeExporter(scope);
  const folder = join(scope.folder, 'textfile');
  await mkdir(folder);
  await writeFile(join(folder, 'series.prom'), exposition);
  const port = await freePort();
  const child = spawn(
    program,
    [
      '--collector.disable-defaults',
      '--collector.textfile',
      `--collector.textfile.directory=${folder}`,
      '--web.disable-exporter-metrics',
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const started = target('node_exporter', `http://127.0.0.1:${port}/metrics`, scope.child(child).pid);
  await waitFor(async () => (await body(started).catch(() => '')).includes('xe_client_vm_rebind_errors_total'), {
    what: 'series from prometheus-node-exporter',
    deadlineMs: 10_000,
  });
  return started;
}

function target(name: string, url: string, pid = 0): Target {
  return { name, url, pid, agent: new Agent({ keepAlive: true, maxSockets: 1 }) };
}

async function compare(targets: readonly Target[], encoding: string): Promise<Cell[][]> {
  const milliseconds = targets.map((): number[] => []);
  const cpu = targets.map(() => 0);
  const bytes = targets.map(() => 0);
  for (let round = -WARM_UP; round < SCRAPES; round++) {
    if (round === 0) for (const [index, { pid }] of targets.entries()) cpu[index] = await processTime(pid);
    for (const [index, scraped] of targets.entries()) {
      const begin = performance.now();
      bytes[index] = (await scrapeOnce(scraped, encoding)).length;
      if (round >= 0) milliseconds[index]!.push(performance.now() - begin);
    }
  }
  const rows: Cell[][] = [];
  for (const [index, { name, pid }] of targets.entries()) {
    const took = milliseconds[index]!;
    const cpuMs = (((await processTime(pid)) - cpu[index]!) * 1000) / SCRAPES;
    rows.push([name, encoding, median(took), percentile(took, 0.99), cpuMs, bytes[index]! / 1024]);
  }
  return rows;
}

async function body(scraped: Target): Promise<string> {
  return (await scrapeOnce(scraped, 'identity')).toString();
}

async function scrapeOnce({ url, agent }: Target, encoding: string): Promise<Buffer> {
  const request = get(url, { agent, headers: { 'accept-encoding': encoding }, timeout: 5_000 });
  request.on('timeout', () => request.destroy(new Error(`no answer from ${url}`)));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);
  return buffer(response);
}
