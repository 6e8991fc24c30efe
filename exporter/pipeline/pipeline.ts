import { hrtime } from 'node:process';
import { namedClient } from './identify/named-process.js';
import { PresentClients } from './identify/present-clients.js';
import { unattributedReason } from './identify/unattributed.js';
import { Bus } from './fan-out.js';
import type { ClientTableListener } from '../clients/client-table.js';
import { Decoder } from './decode/decoder.js';
import { MemoryEnrichment, type TakeSnapshot } from './enrich/memory-enrichment.js';
import { deviceBound, deviceUnbound } from '../events/definitions/device-bound.js';
import { eventOf, type DeviceEvent } from '../events/device-event.js';
import { eventDefinitions } from '../events/index.js';
import { sourceChanged } from '../events/definitions/source-changed.js';
import type { XeDevice } from '../host/device.js';
import { IncidentMerger } from './incidents/incident-merger.js';
import { OutcomeTracker } from './outcomes/outcome-tracker.js';
import { VictimInference } from './incidents/victim-inference.js';
import type { Sink } from '../sinks/sink.js';
import type { StampedBatch } from '../sources/source.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { Histogram } from '../metrics/engine/histogram-family.js';
import type { Counter } from '../metrics/engine/metric-families.js';
import { ATTRIBUTE, type SourceName, type UnattributedReason } from '../names.js';

/** The series every batch of one source moves, found once: a batch is often a single record. */
interface SourceSeries {
  readonly latency: Histogram;
  readonly received: Map<string, Counter>;
}

export interface PipelineOptions {
  /** Says of every rebind OOM what became of its client so many milliseconds later at the latest; without it nobody does. */
  readonly outcomeWindowMs?: number;
  /** Reads who holds the memory of a device, for log events; without it they do not say. */
  readonly snapshot?: TakeSnapshot | undefined;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly now?: () => number;
}

const monotonicMs = (): number => Number(hrtime.bigint()) / 1e6;

/**
 * Everything between the sources and the sinks. What is counted is counted in the turn in which it was read; log events can wait, for the victim
 * or for its memory. JavaScript thread only.
 */
export class Pipeline {
  /** Undefined without an outcome window. */
  readonly outcomes: OutcomeTracker | undefined;
  /** What has to listen to the client table, in this order. */
  readonly clientListeners: readonly ClientTableListener[];
  readonly #metrics: ExporterMetrics;
  readonly #decoder: Decoder;
  readonly #clients: PresentClients;
  readonly #inference: VictimInference;
  readonly #incidents: IncidentMerger;
  readonly #enrichment: MemoryEnrichment;
  readonly #counting: Bus;
  readonly #logging: Bus;
  readonly #unattributed: Readonly<Record<UnattributedReason, Counter>>;
  readonly #ofSource = new Map<SourceName, SourceSeries>();

  constructor(metrics: ExporterMetrics, sinks: readonly Sink[], options: PipelineOptions = {}) {
    const { outcomeWindowMs: windowMs, snapshot, now = monotonicMs } = options;
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
    const accounting: ConstructorParameters<typeof Bus>[1] = {
      dropped: (sink, reason) => metrics.eventsDropped.cell('sink', sink, reason).inc(),
    };
    const isCounting = ({ counts }: Sink): boolean => counts ?? false;
    this.#counting = new Bus(sinks.filter(isCounting), accounting);
    this.#logging = new Bus(
      sinks.filter((sink) => !isCounting(sink)),
      accounting,
    );
    this.#clients = new PresentClients(now);
    this.#inference = new VictimInference({ clients: this.#clients, now });
    this.#incidents = new IncidentMerger({
      publish: (event) => this.#publish(event),
      infer: (event) => this.#inference.infer(event),
      accounting: {
        deduplicated: (source) => metrics.eventsDeduplicated.cell(source).inc(),
        unmerged: (source) => metrics.eventsUnmerged.cell(source).inc(),
      },
      now,
    });
    this.#enrichment = new MemoryEnrichment({ snapshot, publish: (event) => this.#logging.publish(event), now });
    this.outcomes =
      windowMs === undefined
        ? undefined
        : new OutcomeTracker({ windowMs, publish: (outcome) => this.#send(outcome), now });
    this.clientListeners = [this.#inference, this.#clients, ...(this.outcomes ? [this.outcomes] : [])];
  }

  /** Takes one batch through all stages. Never throws. */
  readonly handle = (batch: StampedBatch): void => {
    let events = 0;
    this.#decoder.decode(batch, (event) => {
      events++;
      this.#take(event);
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
    this.#send(eventOf({ definition: sourceChanged, source, sequence, realtimeNs, monotonicNs, details }));
  };

  /** A device was found or bound anew. */
  deviceAdded(device: XeDevice): void {
    this.#inference.deviceAdded(device);
    this.#incidents.ended(device.pciBdf);
  }

  /** A device was unbound. Comes before the removal of its clients. */
  deviceRemoved(device: XeDevice): void {
    this.#inference.deviceRemoved(device);
    this.#incidents.ended(device.pciBdf);
    this.outcomes?.deviceRemoved(device);
  }

  /**
   * Ends what is open with what is known, then flushes the sinks within the deadline. Events published later are counted as
   * dropped (closed).
   */
  async close(deadlineMs: number): Promise<void> {
    this.#incidents.close();
    this.outcomes?.close();
    this.#enrichment.close();
    await Promise.all([this.#counting.close(deadlineMs), this.#logging.close(deadlineMs)]);
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

  #take(event: DeviceEvent): void {
    if (event.source === 'kmsg') return this.#takeFromKernelLog(event);
    this.#incidents.take(event);
    if (event.source === 'uevent') this.#takeBinding(event);
  }

  #takeBinding({ definition, device }: DeviceEvent): void {
    if (device === undefined || (definition !== deviceBound && definition !== deviceUnbound)) return;
    this.#incidents.ended(device.pciBdf);
  }

  #takeFromKernelLog(event: DeviceEvent): void {
    const client = event.definition.ofClient ? namedClient(event, this.#clients) : undefined;
    this.#inference.observe(event);
    this.#incidents.take(client === undefined ? event : { ...event, client });
  }

  #publish(event: DeviceEvent): void {
    if (event.part === 'count') {
      this.#enrichment.begin(event);
      this.#counting.publish(event);
      return;
    }
    const reason = unattributedReason(event);
    if (reason !== undefined) this.#unattributed[reason].inc();
    this.#send(event);
    this.outcomes?.observe(event);
  }

  #send(event: DeviceEvent): void {
    this.#counting.publish(event);
    this.#enrichment.publish(event);
  }
}
