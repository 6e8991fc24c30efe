import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Family, FamilySnapshot } from './metric-families.js';
import type { ExpositionRegistry } from './prom-client-adapter.js';

/**
 * How often the event loop is probed, in milliseconds. prom-client's 10 ms takes 7 ms of CPU a second from an idle process
 * (Node 20), 100 ms takes 0.7 ms. A stall longer than this is always seen, unless it falls into the first probe after a scrape.
 */
const LAG_PROBE_INTERVAL_MS = 100;

/** What is kept of prom-client's default metrics. */
const KEPT = [
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_start_time_seconds',
  'process_open_fds',
  'process_max_fds',
  'nodejs_eventloop_lag_max_seconds',
] as const;

/** The metric whose collection also sets the value of another, where it is not the metric itself. */
const COLLECTED_BY: Readonly<Record<string, string>> = {
  process_cpu_seconds_total: 'process_cpu_user_seconds_total',
  nodejs_eventloop_lag_max_seconds: 'nodejs_eventloop_lag_seconds',
};

/** Where prom-client's own HELP says too little. */
const HELP: Readonly<Record<string, string>> = {
  nodejs_eventloop_lag_max_seconds:
    'Largest event loop lag since the previous scrape or push, probed ten times a second.',
};

/** The probe counts its own interval as lag. */
const OFFSET_SECONDS: Readonly<Record<string, number>> = {
  nodejs_eventloop_lag_max_seconds: LAG_PROBE_INTERVAL_MS / 1000,
};

/** Adds the process metrics. Starts the event-loop probe, which does not keep the process alive: once a process. */
export function registerProcessMetrics(registry: ExpositionRegistry): void {
  const scratch = new Registry();
  collectDefaultMetrics({ register: scratch, eventLoopMonitoringPrecision: LAG_PROBE_INTERVAL_MS });
  for (const name of KEPT) {
    const [metric, collector] = [name, COLLECTED_BY[name] ?? name].map(
      (one) => scratch.getSingleMetric(one) as unknown as Family | undefined,
    );
    // undefined: no /proc to read it from
    if (metric !== undefined && collector !== undefined) registry.register(new ProcessFamily(metric, collector));
  }
}

/** One default metric, repaired: an `unlimited` number of file descriptors comes out as no finite number. */
class ProcessFamily implements Family {
  readonly name: string;
  readonly help: string;
  readonly type: Family['type'];
  readonly #metric: Family;
  readonly #collector: Family;

  constructor(metric: Family, collector: Family) {
    this.name = metric.name;
    this.help = HELP[metric.name] ?? metric.help;
    this.type = metric.type;
    this.#metric = metric;
    this.#collector = collector;
  }

  async get(): Promise<FamilySnapshot> {
    if (this.#collector !== this.#metric) await this.#collector.get();
    const { values } = await this.#metric.get();
    const offset = OFFSET_SECONDS[this.name] ?? 0;
    const repaired = values
      .filter(({ value }) => Number.isFinite(value))
      .map((sample) => ({ ...sample, value: Math.max(0, sample.value - offset) }));
    return { name: this.name, help: this.help, type: this.type, values: repaired };
  }
}
