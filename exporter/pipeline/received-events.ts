import { hrtime } from 'node:process';
import type { Histogram } from '../metrics/engine/histogram-family.js';
import type { Counter } from '../metrics/engine/metric-families.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { SourceName } from '../names.js';
import type { StampedBatch } from '../sources/source.js';

/** The series that every batch of one source moves. */
interface SourceSeries {
  readonly latency: Histogram;
  readonly received: Map<string, Counter>;
}

/** How many events each source brought and how long they took. Series are looked up once: a batch is often a single record. */
export class ReceivedEvents {
  readonly #metrics: ExporterMetrics;
  readonly #bySource = new Map<SourceName, SourceSeries>();

  constructor(metrics: ExporterMetrics) {
    this.#metrics = metrics;
  }

  add(source: SourceName, event: string, count: number): void {
    const { received } = this.#seriesOf(source);
    const counter = received.get(event) ?? this.#metrics.eventsReceived.cell(source, event);
    received.set(event, counter);
    counter.inc(count);
  }

  /** The batch has been counted. One read, one time: the clock is not asked for every record. */
  took({ source, monotonicNs }: StampedBatch, events: number): void {
    const seconds = Math.max(0, Number(hrtime.bigint() - monotonicNs) / 1e9);
    this.#seriesOf(source).latency.observe(seconds, events);
  }

  #seriesOf(source: SourceName): SourceSeries {
    const known = this.#bySource.get(source);
    if (known !== undefined) return known;
    const series = { latency: this.#metrics.eventLatency.cell(source), received: new Map<string, Counter>() };
    this.#bySource.set(source, series);
    return series;
  }
}
