import { Registry, type Metric, type OpenMetricsContentType, type PrometheusContentType } from 'prom-client';
import type { Family, FamilySnapshot } from './metric-families.js';

/** Prometheus text format 0.0.4, or OpenMetrics text format 1.0.0. */
export type ExpositionFormat = 'text' | 'openmetrics';

/** `Content-Type` of each format, as Prometheus 3 expects it. */
export const EXPOSITION_CONTENT_TYPE: {
  readonly text: PrometheusContentType;
  readonly openmetrics: OpenMetricsContentType;
} = {
  text: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

/**
 * The adapter to prom-client, of which we use the text renderer and the process metrics, nothing else. Holds everything that /metrics
 * shows, in the order of registration: two prom-client registries over the same families, because one registry renders one format.
 * Never prom-client's global one.
 */
export class ExpositionRegistry {
  readonly #text = new Registry();
  readonly #openMetrics = new Registry<OpenMetricsContentType>();
  readonly #families: Family[] = [];

  constructor() {
    this.#openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  }

  /** @throws Error when the name is taken */
  register<F extends Family>(family: F): F {
    this.#text.registerMetric(family as unknown as Metric);
    this.#openMetrics.registerMetric(new OpenMetricsView(family) as unknown as Metric);
    this.#families.push(family);
    return family;
  }

  /** Everything registered, in the order of registration. */
  get families(): readonly Family[] {
    return this.#families;
  }

  /** The whole exposition as it stands now. */
  render(format: ExpositionFormat): Promise<string> {
    return format === 'openmetrics' ? this.#openMetrics.metrics() : this.#text.metrics();
  }
}

/** prom-client removes `_total` from a counter's name by writing to the metric; it writes to this object, not to the family. */
class OpenMetricsView {
  readonly #family: Family;
  name: string;
  readonly help: string;
  readonly type: Family['type'];

  constructor(family: Family) {
    this.#family = family;
    this.name = family.type === 'counter' ? family.name.replace(/_total$/, '') : family.name;
    this.help = family.help;
    this.type = family.type;
  }

  async get(): Promise<FamilySnapshot> {
    return { ...(await this.#family.get()), name: this.name };
  }
}
