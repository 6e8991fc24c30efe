import assert from 'node:assert/strict';
import { startServer, type ServerProcess } from './server-process.js';

/** One element of an instant vector. */
export interface VectorSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

export interface Target {
  readonly health: string;
  readonly lastError: string;
}

/** A real Prometheus. */
export interface PrometheusServer extends ServerProcess {
  query(expression: string): Promise<readonly VectorSample[]>;
  targets(): Promise<readonly Target[]>;
  /** What its log holds against the scrapes: lines of the scrape manager with level warn or error. */
  complaints(): readonly string[];
}

/**
 * Starts Prometheus scraping one target twice a second.
 * @param binary path of the program
 * @param scrapeOptions further lines of the scrape configuration, e.g. `scrape_protocols: [PrometheusText0.0.4]`
 */
export function startPrometheus(binary: string, target: string, scrapeOptions = ''): Promise<PrometheusServer> {
  const job = `scrape_configs:\n  - job_name: xe\n    scrape_interval: 500ms\n    scrape_timeout: 500ms\n    static_configs: [{targets: ['${target}']}]\n`;
  return startPrometheusWith(binary, {
    'prometheus.yml': scrapeOptions === '' ? job : `${job}    ${scrapeOptions}\n`,
  });
}

/**
 * Starts Prometheus with a configuration of the caller's.
 * @param files prometheus.yml and what it refers to, by name
 */
export async function startPrometheusWith(
  binary: string,
  files: Readonly<Record<'prometheus.yml' | string, string>>,
): Promise<PrometheusServer> {
  const server = await startServer(files, (address) => ({
    program: binary,
    args: ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=${address}`],
  }));
  const api = async (path: string) => {
    const response = await fetch(`${server.url}/api/v1/${path}`);
    assert.equal(response.status, 200, path);
    return ((await response.json()) as { data: Record<string, unknown> }).data;
  };
  return {
    ...server,
    query: async (expression) =>
      (await api(`query?query=${encodeURIComponent(expression)}`))['result'] as VectorSample[],
    targets: async () => (await api('targets'))['activeTargets'] as Target[],
    complaints: () =>
      server
        .log()
        .split('\n')
        .filter((line) => /\blevel=(?:warn|error)\b.*scrape/i.test(line)),
  };
}
