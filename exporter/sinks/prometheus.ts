import type { XeClient } from '../clients/client.js';
import type { DeviceEvent } from '../events/device-event.js';
import { errnoLabel } from '../events/errno.js';
import type { XeDevice } from '../host/device.js';
import type { ErrnoCounters } from '../telemetry/device-metrics.js';
import type { ExporterMetrics } from '../telemetry/exporter-metrics.js';
import type { Gauge } from '../telemetry/metric-families.js';
import { ERRNO_LABELS, type DropReason } from '../telemetry/names.js';
import type { Sink } from './sink.js';

/** The series that the errors of one owner move: a device, or a client with its device. */
interface RebindSeries {
  readonly device: ErrnoCounters;
  /** undefined for an error whose client is not known. */
  readonly client: ErrnoCounters | undefined;
  readonly lastTimestamp: Gauge;
}

/** Position in ERRNO_LABELS of every errno that has a name (they end at 133), so that an event costs no search. */
const LABEL_INDEX = Uint8Array.from({ length: 256 }, (_, errno) => ERRNO_LABELS.indexOf(errnoLabel(-errno)));

/**
 * Counts events on /metrics. The series of a client are found once and kept with the client object; after that an event
 * allocates nothing and hashes no label. JavaScript thread only.
 */
export class PrometheusSink implements Sink {
  readonly name = 'prometheus';
  readonly #metrics: ExporterMetrics;
  readonly #ofOwner = new WeakMap<XeClient | XeDevice, RebindSeries>();
  #batchNs = 0n;
  #batchSeconds = 0;
  #closed = false;

  constructor(metrics: ExporterMetrics) {
    this.#metrics = metrics;
  }

  /** Creates the client's series at 0, before any event: rate() does not see a series that is born at 1. */
  clientDiscovered(client: XeClient): void {
    this.#seriesOf(client, client.device);
  }

  /** A rebind error counts for its device and its client; one without a device is refused as `unknown_device`. */
  accept(event: DeviceEvent): DropReason | undefined {
    if (this.#closed) return 'closed';
    switch (event.definition.counts) {
      case 'vm_rebind_error':
        return this.#countRebindError(event);
      case 'loss':
        this.#metrics.eventsLost.cell(event.source).inc();
        return undefined;
      case 'none':
        return undefined;
    }
  }

  /** The counts stay readable; later events are refused. */
  async close(): Promise<void> {
    this.#closed = true;
  }

  #countRebindError(event: DeviceEvent): DropReason | undefined {
    const { client, code } = event;
    const device = event.device ?? client?.device;
    if (device === undefined) return 'unknown_device';
    const series = this.#ofOwner.get(client ?? device) ?? this.#seriesOf(client, device);
    const index = labelIndex(code);
    series.device[index]?.inc();
    series.client?.[index]?.inc();
    const seconds = this.#toSeconds(event.realtimeNs);
    // The clock of the node can be set back; the newest error stays the newest.
    if (seconds > series.lastTimestamp.value) series.lastTimestamp.set(seconds);
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

  #seriesOf(client: XeClient | undefined, device: XeDevice): RebindSeries {
    const owner = client ?? device;
    const known = this.#ofOwner.get(owner);
    if (known !== undefined) return known;
    const { devices } = this.#metrics;
    const series = {
      device: devices.rebindErrors(device.pciBdf),
      client: client && devices.clientRebindErrors(device.pciBdf, client.workload),
      lastTimestamp: devices.rebindErrorLastTimestamp(device.pciBdf),
    };
    this.#ofOwner.set(owner, series);
    return series;
  }
}

function labelIndex(code: number): number {
  return code <= 0 && code > -LABEL_INDEX.length
    ? (LABEL_INDEX[-code] as number)
    : ERRNO_LABELS.indexOf(errnoLabel(code));
}
