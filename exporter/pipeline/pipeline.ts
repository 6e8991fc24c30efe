import { hrtime } from 'node:process';
import type { ClientTableListener } from '../clients/client-table.js';
import { sourceChanged } from '../events/definitions/source-changed.js';
import { eventOf, type DeviceEvent } from '../events/device-event.js';
import type { DeviceHealth } from '../events/device-health.js';
import { eventId } from '../events/event-id.js';
import { eventDefinitions } from '../events/index.js';
import type { XeDevice } from '../host/device.js';
import type { Counter } from '../metrics/engine/metric-families.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import { ATTRIBUTE, UNATTRIBUTED_REASONS, type SourceName, type UnattributedReason } from '../names.js';
import type { HistoryBatch, StampedBatch } from '../sources/source.js';
import { Decoder } from './decode/decoder.js';
import { isDriverStart, KernelLogDecoder } from './decode/kernel-log-decoder.js';
import { MemoryEnrichment, type TakeSnapshot } from './enrich/memory-enrichment.js';
import { FanOut, type FanOutAccounting } from './fan-out.js';
import { causeOf } from './health/cause.js';
import { HealthTracker } from './health/health-tracker.js';
import { Attribution } from './identify/attribution.js';
import { FaultVictims } from './identify/fault-victims.js';
import { Identify } from './identify/identify.js';
import { PresentClients } from './identify/present-clients.js';
import { TracedClients } from './identify/traced-clients.js';
import { TracedOwners } from './identify/traced-owners.js';
import { VictimInference } from './identify/victim-inference.js';
import { Causes } from './incidents/causes.js';
import { IncidentMerger } from './incidents/incident-merger.js';
import { Log } from './log/log.js';
import type { LogRecordOptions } from './log/log-record.js';
import { OutcomeTracker } from './outcomes/outcome-tracker.js';
import { ReceivedEvents } from './received-events.js';
import type { Sinks } from './sink.js';
import { Storms } from './storms.js';

export interface PipelineOptions extends LogRecordOptions {
  /** Log events a minute for each client and event name; 0, the default, lets everything through. */
  readonly logsPerMinute?: number;
  /** How long after a rebind OOM its outcome is decided at the latest, in milliseconds; without it there are no outcomes. */
  readonly outcomeWindowMs?: number;
  /** Reads who holds the memory of a device, for log events; without it they do not say. */
  readonly snapshot?: TakeSnapshot | undefined;
  /** The health of a device has changed, or is about to: ask for it in a later turn. */
  readonly healthChanged?: () => void;
  /** Whether the driver's trace runs; by default it does not. */
  readonly traced?: () => boolean;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly now?: () => number;
}

const monotonicMs = (): number => Number(hrtime.bigint()) / 1e6;

/**
 * Everything between the sources and the sinks, one way:
 *
 *     decode -> identify -> incidents -> causes -> health -> storms -> faults -> attribution -> outcomes -> count -> enrich -> log
 *
 * Counters move in the turn in which a record was read. Log events can wait: for the victim (incidents, faults) or for its memory
 * (enrich).
 */
export class Pipeline {
  /** What has to follow the client table, in this order: the inference asks the present clients about one that leaves. */
  readonly clientListeners: readonly ClientTableListener[];
  readonly #decode: Decoder;
  readonly #inference: VictimInference;
  readonly #identify: Identify;
  readonly #incidents: IncidentMerger;
  readonly #health: HealthTracker;
  readonly #storms: Storms;
  readonly #owners = new TracedOwners();
  readonly #faults: FaultVictims;
  readonly #outcomes: OutcomeTracker | undefined;
  readonly #counting: FanOut<DeviceEvent>;
  readonly #enrich: MemoryEnrichment;
  readonly #log: Log;
  readonly #received: ReceivedEvents;

  constructor(metrics: ExporterMetrics, sinks: Sinks, options: PipelineOptions) {
    const { outcomeWindowMs: windowMs, snapshot, logsPerMinute: perMinute = 0, now = monotonicMs } = options;
    const { traced: isTraced = () => false } = options;
    const fanOut: FanOutAccounting = {
      dropped: (sink, reason) => metrics.eventsDropped.cell('sink', sink, reason).inc(),
    };
    const clients = new PresentClients(now);
    const traced = new TracedClients(now);
    this.#inference = new VictimInference({ clients, now });
    this.#received = new ReceivedEvents(metrics);

    // The last stage first, because each hands on to the next: read from the bottom up to follow an event.
    this.#log = new Log(sinks, fanOut, { ...options, perMinute, now });
    this.#enrich = new MemoryEnrichment({ snapshot, next: this.#log.accept, now });
    this.#counting = new FanOut(sinks.counting ?? [], fanOut);
    const count = (event: DeviceEvent): void => {
      this.#counting.publish(event);
      this.#enrich.accept(event);
    };
    this.#outcomes = windowMs === undefined ? undefined : new OutcomeTracker({ windowMs, next: count, now });
    const unattributed = Object.fromEntries(
      UNATTRIBUTED_REASONS.map((reason) => [reason, metrics.eventsUnattributed.cell(reason)]),
    ) as Record<UnattributedReason, Counter>;
    const attribution = new Attribution({
      unattributed: (reason) => unattributed[reason].inc(),
      next: this.#outcomes?.accept ?? count,
    });
    this.#faults = new FaultVictims({
      owners: this.#owners,
      find: (event) => traced.find(event),
      traced: isTraced,
      next: attribution.accept,
      now,
    });
    this.#storms = new Storms({ next: this.#faults.accept, now });
    this.#health = new HealthTracker({
      next: this.#storms.accept,
      published: (health) => {
        metrics.health.set(health);
        options.healthChanged?.();
      },
      forgotten: (pciBdf) => {
        metrics.health.remove(pciBdf);
        options.healthChanged?.();
      },
      describe: (event) => causeOf(causes.rootOf(event), options),
      nextSequence: () => this.#decode.nextSequence(),
      now,
    });
    const causes: Causes = new Causes({
      next: this.#health.accept,
      idOf: (event) => eventId(options.instanceId, event),
    });
    this.#incidents = new IncidentMerger({
      infer: (event) => this.#inference.infer(event),
      find: (event) => traced.find(event),
      accounting: {
        deduplicated: (source) => metrics.eventsDeduplicated.cell(source).inc(),
        unmerged: (source) => metrics.eventsUnmerged.cell(source).inc(),
      },
      next: causes.accept,
      now,
    });
    this.#identify = new Identify({ clients, traced, inference: this.#inference, next: this.#incidents.accept });
    this.#decode = new Decoder(eventDefinitions, {
      received: (source, event, count) => this.#received.add(source, event, count),
      dropped: (reason, count) => metrics.eventsDropped.cell('decode', '', reason).inc(count),
    });

    // The incidents ask those before them.
    const incidents = { added: () => this.#incidents.clientAdded() };
    this.clientListeners = [this.#inference, clients, traced, incidents, ...(this.#outcomes ? [this.#outcomes] : [])];
  }

  /** Takes one batch through all stages. Never throws. */
  readonly handle = (batch: StampedBatch): void => {
    if (batch.kind === 'ownership') return this.#owners.observe(batch);
    if (batch.kind === 'history') return this.#recall(batch);
    if (batch.kind === 'loss' && batch.source === 'trace') this.#owners.forget();
    let events = 0;
    this.#decode.decode(batch, (event) => {
      events++;
      this.#identify.accept(event);
    });
    this.#received.took(batch, events);
  };

  /** How the devices are, from what happened before this exporter. */
  #recall({ lines, ...stamp }: HistoryBatch): void {
    // Of its own: nothing of this counts as received, and its clock has nothing to learn from old lines.
    const accounting = { received: () => undefined, dropped: () => undefined };
    const decoder = new KernelLogDecoder(eventDefinitions, accounting, this.#decode.nextSequence);
    for (const { line, device } of lines) {
      if (device !== undefined && isDriverStart(line)) this.#health.recallStart(device);
      decoder.decode({ ...stamp, kind: 'kernel_log', line, device }, (event) => this.#health.recall(event));
    }
    this.#health.recalled();
  }

  /** Logs that a source of events died, or delivers again. */
  readonly sourceChanged = (source: SourceName, state: 'up' | 'down', reason: string): void => {
    if (source === 'trace') this.#owners.forget();
    const details = { [ATTRIBUTE.sourceState]: state, ...(reason !== '' && { [ATTRIBUTE.sourceReason]: reason }) };
    const [realtimeNs, monotonicNs] = [BigInt(Date.now()) * 1_000_000n, hrtime.bigint()];
    const sequence = this.#decode.nextSequence();
    this.#incidents.accept(eventOf({ definition: sourceChanged, source, sequence, realtimeNs, monotonicNs, details }));
  };

  /** A source can deliver events, or cannot any more. */
  sourceUp(source: SourceName, up: boolean): void {
    this.#health.sourceUp(source, up);
  }

  /** Whether each device is fit for work: those that are bound, and those that are lost. */
  get health(): readonly DeviceHealth[] {
    return this.#health.devices;
  }

  /** A device was found, or bound again. @param inSurvivability whether it can only be flashed */
  deviceAdded(device: XeDevice, inSurvivability = false): void {
    this.#inference.deviceAdded(device);
    this.#incidents.ended(device.pciBdf);
    this.#health.deviceAdded(device, inSurvivability);
  }

  /** A device was unbound. Comes before the removal of its clients. */
  deviceRemoved(device: XeDevice): void {
    this.#inference.deviceRemoved(device);
    // The driver that is loaded next counts anew.
    this.#owners.forget();
    this.#incidents.ended(device.pciBdf);
    this.#health.deviceRemoved(device);
    this.#outcomes?.deviceRemoved(device);
  }

  /**
   * Ends what is open with what is known, left to right, then flushes the sinks within the deadline. Events that come later
   * are counted as dropped (closed).
   */
  async close(deadlineMs: number): Promise<void> {
    this.#incidents.close();
    this.#health.close();
    this.#storms.close();
    this.#faults.close();
    this.#outcomes?.close();
    this.#enrich.close();
    await Promise.all([this.#counting.close(deadlineMs), this.#log.close(deadlineMs)]);
  }
}
