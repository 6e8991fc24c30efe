import { hrtime } from 'node:process';
import { unattributedReason } from './attribute/unattributed.js';
import { Bus } from './bus/bus.js';
import { Decoder } from './decode/decoder.js';
import { eventOf, type DeviceEvent } from './events/device-event.js';
import { eventDefinitions } from './events/index.js';
import { sourceChanged } from './events/source-changed.js';
import { OutcomeTracker } from './incidents/outcome-tracker.js';
import type { Sink } from './sinks/sink.js';
import type { StampedBatch } from './sources/source.js';
import type { ExporterMetrics } from './telemetry/exporter-metrics.js';
import type { Histogram } from './telemetry/histogram-family.js';
import type { Counter } from './telemetry/metric-families.js';
import { ATTRIBUTE, type SourceName, type UnattributedReason } from './telemetry/names.js';

/** The series every batch of one source moves, found once: a batch is often a single record. */
interface SourceSeries {
  readonly latency: Histogram;
  readonly received: Map<string, Counter>;
}

export interface PipelineOptions {
  /** Says of every rebind OOM what became of its client so many milliseconds later at the latest; without it nobody does. */
  readonly outcomeWindowMs?: number;
}

/** Everything between the sources and the sinks, in one synchronous pass. JavaScript thread only. */
export class Pipeline {
  /** Listens to the client table; undefined without an outcome window. */
  readonly outcomes: OutcomeTracker | undefined;
  readonly #metrics: ExporterMetrics;
  readonly #decoder: Decoder;
  readonly #bus: Bus;
  readonly #unattributed: Readonly<Record<UnattributedReason, Counter>>;
  readonly #ofSource = new Map<SourceName, SourceSeries>();

  constructor(metrics: ExporterMetrics, sinks: readonly Sink[], { outcomeWindowMs: windowMs }: PipelineOptions = {}) {
    this.#metrics = metrics;
    this.#decoder = new Decoder(eventDefinitions, {
      received: (source, event, count) => this.#received(source, event).inc(count),
      dropped: (reason, count) => metrics.eventsDropped.cell('decode', '', reason).inc(count),
    });
    this.#unattributed = {
      client_gone: metrics.eventsUnattributed.cell('client_gone'),
      no_container: metrics.eventsUnattributed.cell('no_container'),
      no_pid: metrics.eventsUnattributed.cell('no_pid'),
    };
    this.#bus = new Bus(sinks, {
      dropped: (sink, reason) => metrics.eventsDropped.cell('sink', sink, reason).inc(),
    });
    this.outcomes =
      windowMs === undefined
        ? undefined
        : new OutcomeTracker({ windowMs, publish: (outcome) => this.#bus.publish(outcome) });
  }

  /** Takes one batch through all stages. Never throws. */
  readonly handle = (batch: StampedBatch): void => {
    let events = 0;
    this.#decoder.decode(batch, (event) => {
      events++;
      this.#attributeAndPublish(event);
    });
    // One read, one time: what matters is how long the batch waited, and the clock is not asked for every record.
    const seconds = Math.max(0, Number(hrtime.bigint() - batch.monotonicNs) / 1e9);
    this.#seriesOf(batch.source).latency.observe(seconds, events);
  };

  /** Tells the log that a source of events died, or delivers again. */
  readonly sourceChanged = (source: SourceName, state: 'up' | 'down', reason: string): void => {
    const details = { [ATTRIBUTE.sourceState]: state, ...(reason !== '' && { [ATTRIBUTE.sourceReason]: reason }) };
    const [realtimeNs, monotonicNs] = [BigInt(Date.now()) * 1_000_000n, hrtime.bigint()];
    const sequence = this.#decoder.nextSequence();
    this.#bus.publish(eventOf({ definition: sourceChanged, source, sequence, realtimeNs, monotonicNs, details }));
  };

  /** Decides open outcomes, then flushes the sinks within the deadline. Events published later are counted as dropped (closed). */
  close(deadlineMs: number): Promise<void> {
    this.outcomes?.close();
    return this.#bus.close(deadlineMs);
  }

  #seriesOf(source: SourceName): SourceSeries {
    const known = this.#ofSource.get(source);
    if (known !== undefined) return known;
    const series = { latency: this.#metrics.eventLatency.cell(source), received: new Map<string, Counter>() };
    this.#ofSource.set(source, series);
    return series;
  }

  #received(source: SourceName, event: string): Counter {
    const { received } = this.#seriesOf(source);
    const counter = received.get(event) ?? this.#metrics.eventsReceived.cell(source, event);
    received.set(event, counter);
    return counter;
  }

  #attributeAndPublish(event: DeviceEvent): void {
    const reason = unattributedReason(event);
    if (reason !== undefined) this.#unattributed[reason].inc();
    this.#bus.publish(event);
    this.outcomes?.observe(event);
  }
}
