import { ClientSeries } from './client-series.js';
import { EventCounters } from './event-counters.js';
import { MemoryMetrics, type HeldMemory } from './memory-metrics.js';
import { MoveMetrics } from './move-metrics.js';
import { RasMetrics } from './ras-metrics.js';
import { INTEL_VENDOR_ID, type XeDevice } from '../host/device.js';
import type { DeviceState } from '../host/device-state.js';
import type { RegionMemory } from '../host/memory.js';
import { CounterFamily, GaugeFamily, type Counter, type Gauge } from './engine/metric-families.js';
import { ERRNO_LABELS, LABEL, METRIC, OUTCOMES, type Outcome, type WorkloadLabels } from '../names.js';
import type { ExpositionRegistry } from './engine/prom-client-adapter.js';

/** The counters of one device, one for each of {@link OUTCOMES}. */
export type OutcomeCounters = Readonly<Record<Outcome, Counter>>;

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
  /** Called for every container that found no room. */
  readonly onOverflow: (metric: string) => void;
}

/** Labels of xe_device_info beyond the device, in the order of {@link identityOf}. */
const IDENTITY_LABELS = [
  LABEL.card,
  LABEL.render,
  LABEL.pciId,
  LABEL.vendor,
  LABEL.model,
  LABEL.driverVersion,
  LABEL.serial,
  LABEL.physicalFunction,
  LABEL.numaNode,
] as const;

/**
 * The metrics of each device and of the containers on it. Every series exists at 0 from the discovery of its device or client, because
 * rate() does not see a series that is born at 1.
 */
export class DeviceMetrics {
  /** The errors by container. */
  readonly clientRebindErrors: ClientSeries;
  /** The counters that event definitions declare. */
  readonly counters: EventCounters;
  /** What the driver evicts and restores. */
  readonly moves: MoveMetrics;
  /** Its hardware error counters. */
  readonly ras: RasMetrics;
  readonly #wedged: GaugeFamily;
  readonly #rebindErrors: CounterFamily;
  readonly #rebindOomOutcomes: CounterFamily;
  readonly #rebindErrorLastTimestamp: GaugeFamily;
  readonly #clients: GaugeFamily;
  readonly #clientsWatched: GaugeFamily;
  readonly #memory: MemoryMetrics;
  readonly #info: GaugeFamily;
  /** Devices that are present, by PCI address, with the label values of their identity series. */
  readonly #present = new Map<string, { readonly device: XeDevice; readonly identity: readonly string[] }>();

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
    const counter = (name: string, label: string, help: string): CounterFamily =>
      registry.register(new CounterFamily({ name, help, labels: [LABEL.pciBdf, label] }));
    const gauge = (name: string, help: string, labels: readonly string[] = []): GaugeFamily =>
      registry.register(new GaugeFamily({ name, help, labels: [LABEL.pciBdf, ...labels] }));

    this.#rebindErrors = counter(
      METRIC.vmRebindErrors,
      LABEL.errno,
      'VM rebind errors of the device, one per incident.',
    );
    this.#rebindOomOutcomes = counter(
      METRIC.vmRebindOomOutcomes,
      LABEL.outcome,
      'What became of the client after each VM rebind error with ENOMEM or ENOSPC.',
    );
    this.#rebindErrorLastTimestamp = gauge(
      METRIC.vmRebindErrorLastTimestamp,
      'Unix time of the last VM rebind error of the device, 0 if none since the exporter started.',
    );
    this.clientRebindErrors = new ClientSeries({
      labels,
      maxWorkloads,
      retentionMs,
      now,
      onOverflow: () => onOverflow(METRIC.clientVmRebindErrors),
    });
    registry.register(this.clientRebindErrors.families.errors);
    registry.register(this.clientRebindErrors.families.lastTimestamps);
    registry.register(this.clientRebindErrors.faults.family);
    this.counters = new EventCounters(registry);
    this.#wedged = gauge(METRIC.deviceWedged, 'Whether the device is wedged, 1 until the driver is bound again.');
    this.#clients = gauge(METRIC.clients, 'DRM clients that have the device open.');
    this.#clientsWatched = gauge(METRIC.clientsWatched, 'DRM clients of the device that are watched for events.');
    this.#memory = new MemoryMetrics(registry, this.clientRebindErrors);
    this.moves = new MoveMetrics(registry);
    this.ras = new RasMetrics(registry);
    this.#info = gauge(METRIC.deviceInfo, 'Identity of an xe device, always 1.', IDENTITY_LABELS);
  }

  /** Creates every series of the device at 0. One that was bound before keeps its counts. */
  deviceDiscovered(device: XeDevice): void {
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

  /** Removes what only a present device has; the counters stay, because a counter never falls. */
  deviceRemoved({ pciBdf }: XeDevice): void {
    const before = this.#present.get(pciBdf);
    if (before === undefined) return;
    this.#present.delete(pciBdf);
    this.#info.remove(...before.identity);
    this.#wedged.remove(pciBdf);
    this.#clients.remove(pciBdf);
    this.#clientsWatched.remove(pciBdf);
    this.#memory.forget(pciBdf);
  }

  /** Sets the state of a device; without effect for one that is gone or has been bound again since. */
  deviceState(device: XeDevice, state: DeviceState): void {
    if (this.#isPresent(device)) this.#memory.setState(device.pciBdf, state);
  }

  /** Sets the memory of a device and of its clients; series of anything else are removed. */
  deviceMemory(device: XeDevice, regions: readonly RegionMemory[], clients: readonly HeldMemory[]): void {
    if (this.#isPresent(device)) this.#memory.setMemory(device.pciBdf, regions, clients);
  }

  /** Sets what the clients of a device held when it ran out of memory. */
  deviceMemoryAtOom(device: XeDevice, clients: readonly HeldMemory[]): void {
    if (this.#isPresent(device)) this.#memory.setMemoryAtOom(device.pciBdf, clients);
  }

  /** Sets the watch coverage of a device; without effect for one that is gone or has been bound again since. */
  clientCounts(device: XeDevice, present: number, watched: number): void {
    if (!this.#isPresent(device)) return;
    this.#clients.cell(device.pciBdf).set(present);
    this.#clientsWatched.cell(device.pciBdf).set(watched);
  }

  #isPresent(device: XeDevice): boolean {
    return this.#present.get(device.pciBdf)?.device === device;
  }

  setWedged(pciBdf: string, wedged: boolean): void {
    this.#wedged.cell(pciBdf).set(wedged ? 1 : 0);
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

  /** Unix time of the device's last error, in seconds. */
  rebindErrorLastTimestamp(pciBdf: string): Gauge {
    return this.#rebindErrorLastTimestamp.cell(pciBdf);
  }
}

/** Values of the labels of xe_device_info. */
function identityOf(device: XeDevice): readonly string[] {
  const { pciBdf, card = '', render = '', vendorId, deviceId, model, driverVersion, numaNode } = device;
  const { serial, physicalFunction } = device;
  const pciId = `${vendorId.replace(/^0x/, '')}:${deviceId.replace(/^0x/, '')}`;
  return [
    pciBdf,
    card,
    render,
    pciId,
    vendorId === INTEL_VENDOR_ID ? 'Intel' : '',
    model,
    driverVersion,
    serial,
    physicalFunction,
    String(numaNode),
  ];
}
