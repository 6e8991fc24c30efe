import { hrtime } from 'node:process';
import type { Histogram } from '../metrics/engine/histogram-family.js';
import type { Counter } from '../metrics/engine/metric-families.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { SourceName } from '../names.js';
import type { StampedBatch } from '../sources/source.js';

/** How many events each source brought and how long they took. Series are looked up once: a batch is often a single record. */
export class ReceivedEvents {
  readonly #metrics: ExporterMetrics;
  readonly #latency: Histogram;
  readonly #bySource = new Map<SourceName, Map<string, Counter>>();

  constructor(metrics: ExporterMetrics) {
    this.#metrics = metrics;
    this.#latency = metrics.eventLatency.cell();
  }

  add(source: SourceName, event: string, count: number): void {
    const received = this.#receivedFrom(source);
    const counter = received.get(event) ?? this.#metrics.eventsReceived.cell(source, event);
    received.set(event, counter);
    counter.inc(count);
  }

  /** The batch has been counted. One read, one time: the clock is not asked for every record. */
  took({ monotonicNs }: StampedBatch, events: number): void {
    const seconds = Math.max(0, Number(hrtime.bigint() - monotonicNs) / 1e9);
    this.#latency.observe(seconds, events);
  }

  #receivedFrom(source: SourceName): Map<string, Counter> {
    const known = this.#bySource.get(source);
    if (known !== undefined) return known;
    const received = new Map<string, Counter>();
    this.#bySource.set(source, received);
    return received;
  }
}
