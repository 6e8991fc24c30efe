import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../helpers/wait-for.js';

/** One element of an instant vector. */
export interface VectorSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

export interface Target {
  readonly health: string;
  readonly lastError: string;
}

/** A real Prometheus with its data in a folder of its own, on 127.0.0.1. */
export interface PrometheusServer {
  query(expression: string): Promise<readonly VectorSample[]>;
  targets(): Promise<readonly Target[]>;
  /** What its log holds against the scrapes: lines of the scrape manager with level warn or error. */
  complaints(): readonly string[];
  stop(): Promise<void>;
}

/**
 * Starts Prometheus scraping one target twice a second.
 * @param binary path of the program
 * @param scrapeOptions further lines of the scrape configuration, e.g. `scrape_protocols: [PrometheusText0.0.4]`
 */
export async function startPrometheus(binary: string, target: string, scrapeOptions = ''): Promise<PrometheusServer> {
  const folder = await mkdtemp(join(tmpdir(), 'xe-exporter-prometheus-'));
  const config = join(folder, 'prometheus.yml');
  const job = `scrape_configs:\n  - job_name: xe\n    scrape_interval: 500ms\n    scrape_timeout: 500ms\n    static_configs: [{targets: ['${target}']}]\n`;
  await writeFile(config, scrapeOptions === '' ? job : `${job}    ${scrapeOptions}\n`);
  const port = await freePort();
  const child = spawn(
    binary,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = once(child, 'exit');

  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    assert.equal(response.status, 200, path);
    return response;
  };
  const api = async (path: string) =>
    ((await (await get(`/api/v1/${path}`)).json()) as { data: Record<string, unknown> }).data;
  const server: PrometheusServer = {
    query: async (expression) =>
      (await api(`query?query=${encodeURIComponent(expression)}`))['result'] as VectorSample[],
    targets: async () => (await api('targets'))['activeTargets'] as Target[],
    complaints: () => log.split('\n').filter((line) => /\blevel=(?:warn|error)\b.*scrape/i.test(line)),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
  const isReady = async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}:\n${log}`);
    return get('/-/ready').then(
      () => true,
      () => false,
    );
  };
  try {
    await waitFor(isReady, { deadlineMs: 30_000, what: 'Prometheus to be ready' });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** A port that was free a moment ago: Prometheus does not tell which one it got for 0. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
