import { ClientSeries } from './client-series.js';
import { EventCounters } from './event-counters.js';
import { MemoryMetrics, type MeteredClientMemory, type MeteredRegion, type MeteredState } from './memory-metrics.js';
import { CounterFamily, GaugeFamily, type Counter, type Gauge } from './engine/metric-families.js';
import { ERRNO_LABELS, LABEL, METRIC, OUTCOMES, type Outcome, type WorkloadLabels } from '../names.js';
import type { ExpositionRegistry } from './engine/registry.js';

/** The counters of one device, one for each of {@link OUTCOMES}. */
export type OutcomeCounters = Readonly<Record<Outcome, Counter>>;

/** What of a device is shown: an `XeDevice` fits. A device that is bound anew is another object. */
export interface MeteredDevice {
  readonly pciBdf: string;
  readonly card: string | undefined;
  readonly render: string | undefined;
  readonly vendorId: string;
  readonly deviceId: string;
  readonly model: string;
  readonly driverVersion: string;
  readonly numaNode: number;
}

/** Pairs of container and device that get series of their own. */
const DEFAULT_MAX_WORKLOADS = 512;
const DEFAULT_RETENTION_MS = 15 * 60_000;

export interface DeviceMetricsOptions {
  readonly workloadLabels?: WorkloadLabels;
  readonly maxWorkloads?: number;
  /** How long the series of a container outlive its last client, in milliseconds. */
  readonly retentionMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** Called for every container that a cap turned away. */
  readonly onOverflow: (metric: string) => void;
}

/**
 * What is known of each device and of the containers on it. Every series exists at 0 from the discovery of its device or
 * client, because rate() does not see a series that is born at 1. JavaScript thread only.
 */
export class DeviceMetrics {
  /** The errors by container. */
  readonly clientRebindErrors: ClientSeries;
  /** The counters that event definitions declare. */
  readonly counters: EventCounters;
  readonly #wedged: GaugeFamily;
  readonly #rebindErrors: CounterFamily;
  readonly #rebindOomOutcomes: CounterFamily;
  readonly #rebindErrorLastTimestamp: GaugeFamily;
  readonly #clients: GaugeFamily;
  readonly #clientsWatched: GaugeFamily;
  readonly #memory: MemoryMetrics;
  readonly #info: GaugeFamily;
  /** Devices that are present, by PCI address, with the label values of their identity series. */
  readonly #present = new Map<string, { readonly device: MeteredDevice; readonly identity: readonly string[] }>();

  constructor(
    registry: ExpositionRegistry,
    {
      workloadLabels: labels = 'kubernetes',
      maxWorkloads = DEFAULT_MAX_WORKLOADS,
      retentionMs = DEFAULT_RETENTION_MS,
      now = () => performance.now(),
      onOverflow,
    }: DeviceMetricsOptions,
  ) {
    const pciBdf = LABEL.pciBdf;
    this.#rebindErrors = registry.register(
      new CounterFamily({
        name: METRIC.vmRebindErrors,
        help: 'VM rebind errors on the device, one per incident.',
        labels: [pciBdf, LABEL.errno],
      }),
    );
    this.#rebindOomOutcomes = registry.register(
      new CounterFamily({
        name: METRIC.vmRebindOomOutcomes,
        help: 'What became of the client after each rebind error ENOMEM or ENOSPC.',
        labels: [pciBdf, LABEL.outcome],
      }),
    );
    this.#rebindErrorLastTimestamp = registry.register(
      new GaugeFamily({
        name: METRIC.vmRebindErrorLastTimestamp,
        help: 'Unix time of the newest VM rebind error on the device, 0 for none since the exporter started.',
        labels: [pciBdf],
      }),
    );
    this.clientRebindErrors = registry.register(
      new ClientSeries({
        labels,
        maxWorkloads,
        retentionMs,
        now,
        onOverflow: () => onOverflow(METRIC.clientVmRebindErrors),
      }),
    );
    registry.register(this.clientRebindErrors.lastTimestamps);
    this.counters = new EventCounters(registry);
    this.#wedged = registry.register(
      new GaugeFamily({
        name: METRIC.deviceWedged,
        help: 'Whether the device is wedged: 1 until the driver is bound again.',
        labels: [pciBdf],
      }),
    );
    this.#clients = registry.register(
      new GaugeFamily({ name: METRIC.clients, help: 'Open clients of the device.', labels: [pciBdf] }),
    );
    this.#clientsWatched = registry.register(
      new GaugeFamily({
        name: METRIC.clientsWatched,
        help: 'Open clients of the device whose events are watched.',
        labels: [pciBdf],
      }),
    );
    this.#memory = new MemoryMetrics(registry, this.clientRebindErrors);
    this.#info = registry.register(
      new GaugeFamily({
        name: METRIC.deviceInfo,
        help: 'Identity of an xe device of the node, always 1.',
        labels: [
          pciBdf,
          LABEL.card,
          LABEL.render,
          LABEL.pciId,
          LABEL.vendor,
          LABEL.model,
          LABEL.driverVersion,
          LABEL.numaNode,
        ],
      }),
    );
  }

  /** Creates every series of the device at 0. One that was bound before keeps its counts. */
  deviceDiscovered(device: MeteredDevice): void {
    const { pciBdf } = device;
    this.deviceRemoved(device);
    this.rebindErrors(pciBdf);
    this.rebindOomOutcomes(pciBdf);
    this.rebindErrorLastTimestamp(pciBdf);
    this.clientRebindErrors.unattributed(pciBdf);
    this.counters.deviceDiscovered(pciBdf);
    // A bind is what ends being wedged.
    this.setWedged(pciBdf, false);
    this.#clients.cell(pciBdf);
    this.#clientsWatched.cell(pciBdf);
    const identity = identityOf(device);
    this.#info.cell(...identity).set(1);
    this.#present.set(pciBdf, { device, identity });
  }

  /** Takes off what only a present device has; the counters stay, because a counter never falls. */
  deviceRemoved({ pciBdf }: MeteredDevice): void {
    const before = this.#present.get(pciBdf);
    if (before === undefined) return;
    this.#present.delete(pciBdf);
    this.#info.remove(...before.identity);
    this.#wedged.remove(pciBdf);
    this.#clients.remove(pciBdf);
    this.#clientsWatched.remove(pciBdf);
    this.#memory.forget(pciBdf);
  }

  /** Sets the state of a device; without effect for one that is gone or was bound anew in the meantime. */
  deviceState(device: MeteredDevice, state: MeteredState): void {
    if (this.#isPresent(device)) this.#memory.setState(device.pciBdf, state);
  }

  /** Sets the memory of a device and of its clients; what is not among it has no series any more. */
  deviceMemory(
    device: MeteredDevice,
    regions: readonly MeteredRegion[],
    clients: readonly MeteredClientMemory[],
  ): void {
    if (this.#isPresent(device)) this.#memory.setMemory(device.pciBdf, regions, clients);
  }

  /** Sets the watch coverage of a device; without effect for one that is gone or was bound anew in the meantime. */
  clientCounts(device: MeteredDevice, present: number, watched: number): void {
    if (!this.#isPresent(device)) return;
    this.#clients.cell(device.pciBdf).set(present);
    this.#clientsWatched.cell(device.pciBdf).set(watched);
  }

  #isPresent(device: MeteredDevice): boolean {
    return this.#present.get(device.pciBdf)?.device === device;
  }

  setWedged(pciBdf: string, wedged: boolean): void {
    this.#wedged.cell(pciBdf).set(wedged ? 1 : 0);
  }

  /** @param pciBdf of a device that is present */
  isWedged(pciBdf: string): boolean {
    return this.#wedged.cell(pciBdf).value === 1;
  }

  /** The counters of a device, born at 0. */
  rebindErrors(pciBdf: string): readonly Counter[] {
    return ERRNO_LABELS.map((errno) => this.#rebindErrors.cell(pciBdf, errno));
  }

  /** The outcome counters of a device, born at 0. */
  rebindOomOutcomes(pciBdf: string): OutcomeCounters {
    const cells = OUTCOMES.map((outcome) => [outcome, this.#rebindOomOutcomes.cell(pciBdf, outcome)]);
    return Object.fromEntries(cells) as OutcomeCounters;
  }

  /** Unix time in seconds of the device's newest error. */
  rebindErrorLastTimestamp(pciBdf: string): Gauge {
    return this.#rebindErrorLastTimestamp.cell(pciBdf);
  }
}

/** In the order of the labels of xe_device_info. */
function identityOf(device: MeteredDevice): readonly string[] {
  const { pciBdf, card = '', render = '', vendorId, deviceId, model, driverVersion, numaNode } = device;
  const pciId = `${vendorId.replace(/^0x/, '')}:${deviceId.replace(/^0x/, '')}`;
  return [pciBdf, card, render, pciId, vendorId === '0x8086' ? 'Intel' : '', model, driverVersion, String(numaNode)];
}
