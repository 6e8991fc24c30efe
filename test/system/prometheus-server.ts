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

/** One series and its exemplars. */
export interface SeriesExemplars {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly exemplars: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: string;
    readonly timestamp: number;
  }[];
}

/** A real Prometheus. */
export interface PrometheusServer extends ServerProcess {
  query(expression: string): Promise<readonly VectorSample[]>;
  targets(): Promise<readonly Target[]>;
  /** Exemplars of the last hour, with --enable-feature=exemplar-storage. */
  exemplars(expression: string): Promise<readonly SeriesExemplars[]>;
  /** What its log holds against the scrapes, but for those that took too long: lines of the scrape manager with level warn or error. */
  complaints(): readonly string[];
}

/** What Prometheus says of a scrape that a busy machine did not get done within the half second it may take. */
export function isMachineTooSlow(error: string): boolean {
  return /deadline exceeded/.test(error);
}

/**
 * Starts Prometheus scraping one target twice a second.
 * @param binary path of the program
 * @param scrapeOptions further lines of the scrape configuration, e.g. `scrape_protocols: [PrometheusText0.0.4]`
 */
export function startPrometheus(
  binary: string,
  target: string,
  scrapeOptions = '',
  flags: readonly string[] = [],
): Promise<PrometheusServer> {
  const job = `scrape_configs:\n  - job_name: xe\n    scrape_interval: 500ms\n    scrape_timeout: 500ms\n    static_configs: [{targets: ['${target}']}]\n`;
  const files = { 'prometheus.yml': scrapeOptions === '' ? job : `${job}    ${scrapeOptions}\n` };
  return startPrometheusWith(binary, files, flags);
}

/**
 * Starts Prometheus with a configuration of the caller's.
 * @param files prometheus.yml and what it refers to, by name
 */
export async function startPrometheusWith(
  binary: string,
  files: Readonly<Record<'prometheus.yml' | string, string>>,
  flags: readonly string[] = [],
): Promise<PrometheusServer> {
  const server = await startServer(files, (address) => ({
    program: binary,
    args: ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=${address}`, ...flags],
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
    exemplars: async (expression) => {
      const now = Math.ceil(Date.now() / 1000);
      const range = `start=${now - 3600}&end=${now + 60}`;
      return (await api(
        `query_exemplars?query=${encodeURIComponent(expression)}&${range}`,
      )) as unknown as SeriesExemplars[];
    },
    targets: async () => (await api('targets'))['activeTargets'] as Target[],
    complaints: () =>
      server
        .log()
        .split('\n')
        .filter((line) => /\blevel=(?:warn|error)\b.*scrape/i.test(line) && !isMachineTooSlow(line)),
  };
}
