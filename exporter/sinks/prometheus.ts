import type { XeClient } from '../clients/client.js';
import type { ClientTableListener } from '../clients/client-table.js';
import { deviceWedged } from '../events/definitions/device-wedged.js';
import { eventsLost, lostMessages } from '../events/definitions/events-lost.js';
import { vmRebindError } from '../events/definitions/vm-rebind-error.js';
import { vmRebindOutcome } from '../events/definitions/vm-rebind-outcome.js';
import type { DeviceEvent } from '../events/device-event.js';
import { eventId } from '../events/event-id.js';
import { errnoLabel } from '../wire/errno.js';
import type { XeDevice } from '../host/device.js';
import type { ClientLease, OwnerCounters } from '../metrics/client-series.js';
import type { OutcomeCounters } from '../metrics/device-metrics.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { Counter, Gauge } from '../metrics/engine/metric-families.js';
import { ERRNO_LABELS, EXEMPLAR_LABEL, type DropReason } from '../names.js';
import type { Sink } from '../pipeline/sink.js';
import type { SinkEntry } from './entry.js';

/** Counts every event on /metrics. */
export const prometheus: SinkEntry = {
  name: 'prometheus',
  wanted: () => ({ wanted: true, reason: '' }),
  open({ metrics, config, instanceId }) {
    const sink = new PrometheusSink(metrics, config.exemplars ? instanceId : undefined);
    return { counting: [sink], clientListener: sink.clientListener };
  },
};

/** The series that the events of one device move. */
interface DeviceSeries {
  readonly errors: readonly Counter[];
  readonly unattributed: OwnerCounters;
  readonly outcomes: OutcomeCounters;
  readonly lastTimestamp: Gauge;
}

/** Position in ERRNO_LABELS of every errno that has a name (they end at 133), so that an event costs no search. */
const LABEL_INDEX = Uint8Array.from({ length: 256 }, (_, errno) => ERRNO_LABELS.indexOf(errnoLabel(-errno)));

/**
 * Counts events on /metrics. The series of a client are found when it is discovered and held until it left; in between an
 * event allocates nothing and hashes no label.
 */
export class PrometheusSink implements Sink<DeviceEvent> {
  readonly name = 'prometheus';
  readonly #metrics: ExporterMetrics;
  readonly #exemplarsOf: string | undefined;
  readonly #ofDevice = new WeakMap<XeDevice, DeviceSeries>();
  /** By drm-client-id, which stays the same when the client object is replaced. */
  readonly #ofClient = new Map<number, ClientLease>();
  #batchNs = 0n;
  #batchSeconds = 0;
  #closed = false;

  /** Comes before any event of the client. */
  readonly clientListener: ClientTableListener = {
    added: ({ client }) => this.clientDiscovered(client),
    named: ({ client }) => this.clientDiscovered(client),
    removed: ({ client }) => this.clientLeft(client),
  };

  /** @param exemplarsOf instance whose event ids the counters of rebind errors carry as exemplars; undefined = none */
  constructor(metrics: ExporterMetrics, exemplarsOf?: string) {
    this.#metrics = metrics;
    this.#exemplarsOf = exemplarsOf;
  }

  /**
   * Creates the client's series at 0, before any event: rate() does not see a series that is born at 1. Called again when more
   * is known of the client: later events count for the container that it names then.
   */
  clientDiscovered(client: XeClient): void {
    const before = this.#ofClient.get(client.drmClientId);
    this.#ofClient.set(client.drmClientId, this.#lease(client));
    before?.release();
  }

  /** Lets go of the client's series; they stay for the retention time. */
  clientLeft({ drmClientId }: XeClient): void {
    this.#ofClient.get(drmClientId)?.release();
    this.#ofClient.delete(drmClientId);
  }

  /**
   * A rebind error counts for its device and its client, or `_unattributed` of the device; one without a device is refused as
   * `unknown_device`. An incident in two parts counts for the device with the first and for the client with the second.
   */
  accept(event: DeviceEvent): DropReason | undefined {
    if (this.#closed) return 'closed';
    switch (event.definition) {
      case vmRebindError:
        return this.#countRebindError(event);
      case vmRebindOutcome:
        return this.#countOutcome(event);
      case eventsLost:
        this.#metrics.eventsLost.cell(event.source).inc(lostMessages(event));
        return undefined;
      default:
        return this.#countAsDeclared(event);
    }
  }

  /** The counts stay readable; later events are refused. */
  async close(): Promise<void> {
    this.#closed = true;
  }

  #countRebindError(event: DeviceEvent): DropReason | undefined {
    const { client, errorCode, phase } = event;
    const device = event.device ?? client?.device;
    if (device === undefined) return 'unknown_device';
    const series = this.#seriesOf(device);
    const index = labelIndex(errorCode);
    const seconds = this.#toSeconds(event.realtimeNs);
    if (phase !== 'opened') {
      const counter = (client === undefined ? series.unattributed : this.#countersOf(client)).counters[index];
      counter?.count(seconds);
      this.#exemplify(counter, event, seconds);
    }
    if (phase === 'concluded') return undefined;
    series.errors[index]?.inc();
    this.#exemplify(series.errors[index], event, seconds);
    // The clock of the node can be set back; the newest error stays the newest.
    if (seconds > series.lastTimestamp.value) series.lastTimestamp.set(seconds);
    return undefined;
  }

  #exemplify(counter: Counter | undefined, event: DeviceEvent, timestamp: number): void {
    if (this.#exemplarsOf === undefined || counter === undefined) return;
    counter.exemplar = { labelSet: { [EXEMPLAR_LABEL]: eventId(this.#exemplarsOf, event) }, value: 1, timestamp };
  }

  #countOutcome({ device, client, outcome }: DeviceEvent): DropReason | undefined {
    const owner = device ?? client?.device;
    if (owner === undefined) return 'unknown_device';
    this.#seriesOf(owner).outcomes[outcome ?? 'unknown'].inc();
    return undefined;
  }

  /** Moves the counter that the event's definition declares, and that of the client it hit. */
  #countAsDeclared(event: DeviceEvent): DropReason | undefined {
    const { definition, device, client, phase } = event;
    const { counter, fault } = definition;
    const owner = device ?? client?.device;
    const pciBdf = owner?.pciBdf;
    if (pciBdf === undefined && (fault ?? counter) !== undefined && !counter?.ofNode) return 'unknown_device';
    if (fault !== undefined && owner !== undefined && phase !== 'opened') {
      (client === undefined ? this.#seriesOf(owner).unattributed : this.#countersOf(client)).fault(fault).inc();
    }
    if (counter === undefined || phase === 'concluded') return undefined;
    const { devices } = this.#metrics;
    devices.counters.of(counter, pciBdf ?? '', counter.label?.valueOf(event)).inc();
    if (definition === deviceWedged && pciBdf !== undefined) devices.setWedged(pciBdf, true);
    return undefined;
  }

  /** Converted once a batch: its events carry one time. Whole microseconds, as a double holds no more. */
  #toSeconds(realtimeNs: bigint): number {
    if (realtimeNs !== this.#batchNs) {
      this.#batchNs = realtimeNs;
      this.#batchSeconds = Math.round(Number(realtimeNs) / 1e3) / 1e6;
    }
    return this.#batchSeconds;
  }

  #seriesOf(device: XeDevice): DeviceSeries {
    const known = this.#ofDevice.get(device);
    if (known !== undefined) return known;
    const { devices } = this.#metrics;
    const series = {
      errors: devices.rebindErrors(device.pciBdf),
      unattributed: devices.clientRebindErrors.unattributed(device.pciBdf),
      outcomes: devices.rebindOomOutcomes(device.pciBdf),
      lastTimestamp: devices.rebindErrorLastTimestamp(device.pciBdf),
    };
    this.#ofDevice.set(device, series);
    return series;
  }

  #countersOf(client: XeClient): OwnerCounters {
    const held = this.#ofClient.get(client.drmClientId);
    if (held !== undefined) return held;
    // A late record of a client that was given up for gone: its container's series are looked up, and not held.
    const lease = this.#lease(client);
    lease.release();
    return lease;
  }

  #lease({ device, workload }: XeClient): ClientLease {
    return this.#metrics.devices.clientRebindErrors.acquire(device.pciBdf, workload);
  }
}

function labelIndex(code: number): number {
  return code <= 0 && code > -LABEL_INDEX.length
    ? (LABEL_INDEX[-code] as number)
    : ERRNO_LABELS.indexOf(errnoLabel(code));
}
