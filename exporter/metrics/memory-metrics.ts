import type { Workload } from '../clients/client.js';
import type { DeviceState } from '../host/device-state.js';
import type { ClientRegionMemory, RegionMemory } from '../host/memory.js';
import type { ClientSeries } from './client-series.js';
import { GaugeFamily } from './engine/metric-families.js';
import { LABEL, METRIC } from '../names.js';
import type { ExpositionRegistry } from './engine/prom-client-adapter.js';

/** What one client holds, for the series of its container. */
export interface HeldMemory {
  readonly workload: Workload | undefined;
  readonly regions: readonly Pick<ClientRegionMemory, 'region' | 'residentBytes'>[];
}

/** Memory and power state of the devices, sampled off the event path. */
export class MemoryMetrics {
  readonly #containers: ClientSeries;
  readonly #size: GaugeFamily;
  readonly #used: GaugeFamily;
  readonly #survivabilityMode: GaugeFamily;
  readonly #runtimeSuspended: GaugeFamily;
  readonly #resident: GaugeFamily;
  /** The series that each device has now; those that are not set again are removed. */
  readonly #shown = new Map<string, ShownValues>();
  readonly #atOom: GaugeFamily;
  readonly #shownAtOom = new Map<string, ShownValues>();

  /** @param containers says under which labels a container counts, and so bounds the series of clients */
  constructor(registry: ExpositionRegistry, containers: ClientSeries) {
    this.#containers = containers;
    const gauge = (name: string, help: string, ...labels: string[]): GaugeFamily =>
      registry.register(new GaugeFamily({ name, help, labels: [LABEL.pciBdf, ...labels] }));
    this.#size = gauge(METRIC.deviceMemorySize, 'Size of a memory region of the device in bytes.', LABEL.region);
    this.#used = gauge(METRIC.deviceMemoryUsed, 'Bytes in use in a memory region of the device.', LABEL.region);
    this.#survivabilityMode = gauge(
      METRIC.deviceSurvivabilityMode,
      'Whether the device is in survivability mode, where it can only be flashed, 1 or 0.',
    );
    this.#runtimeSuspended = gauge(METRIC.deviceRuntimeSuspended, 'Whether the device is runtime-suspended, 1 or 0.');
    this.#resident = gauge(
      METRIC.clientMemoryResident,
      'Resident bytes of the container in the memory region; a shared buffer counts for each client that holds it.',
      LABEL.region,
      ...containers.ownerLabelNames,
    );
    this.#atOom = gauge(
      METRIC.clientMemoryAtOom,
      'Resident bytes of the container in the memory of the device when it last ran out of it; of a device without VRAM, in the memory of the host.',
      LABEL.region,
      ...containers.ownerLabelNames,
    );
  }

  setState(pciBdf: string, { inSurvivability, suspended }: DeviceState): void {
    this.#survivabilityMode.cell(pciBdf).set(inSurvivability ? 1 : 0);
    this.#runtimeSuspended.cell(pciBdf).set(suspended ? 1 : 0);
  }

  /** Clients of one container are added up. */
  setMemory(pciBdf: string, regions: readonly RegionMemory[], clients: readonly HeldMemory[]): void {
    const values = new ShownValues(pciBdf);
    for (const { region, sizeBytes, usedBytes } of regions) {
      values.add(this.#size, sizeBytes, region);
      if (usedBytes !== undefined) values.add(this.#used, usedBytes, region);
    }
    this.#addHeld(values, this.#resident, clients);
    this.#shown.set(pciBdf, values.instead(this.#shown.get(pciBdf)));
  }

  /** What the clients held of the memory that one of them ran out of; until the next time. */
  setMemoryAtOom(pciBdf: string, clients: readonly HeldMemory[]): void {
    const values = new ShownValues(pciBdf);
    this.#addHeld(
      values,
      this.#atOom,
      clients.some(({ regions }) => regions.some(isVram)) ? onlyVram(clients) : clients,
    );
    this.#shownAtOom.set(pciBdf, values.instead(this.#shownAtOom.get(pciBdf)));
  }

  #addHeld(values: ShownValues, family: GaugeFamily, clients: readonly HeldMemory[]): void {
    for (const { workload, regions } of clients) {
      const owner = this.#containers.ownerLabels(values.pciBdf, workload);
      for (const { region, residentBytes } of regions) values.add(family, residentBytes, region, ...owner);
    }
  }

  /** The device is gone. */
  forget(pciBdf: string): void {
    this.setMemory(pciBdf, [], []);
    this.#shown.delete(pciBdf);
    this.setMemoryAtOom(pciBdf, []);
    this.#shownAtOom.delete(pciBdf);
    this.#survivabilityMode.remove(pciBdf);
    this.#runtimeSuspended.remove(pciBdf);
  }
}

function isVram({ region }: { readonly region: string }): boolean {
  return region.startsWith('vram');
}

function onlyVram(clients: readonly HeldMemory[]): HeldMemory[] {
  return clients.map(({ workload, regions }) => ({ workload, regions: regions.filter(isVram) }));
}

/** The values of one device that are shown together, and instead of those before. Equal labels are added up. */
class ShownValues {
  readonly pciBdf: string;
  readonly #cells = new Map<string, readonly [family: GaugeFamily, labelValues: readonly string[]]>();

  constructor(pciBdf: string) {
    this.pciBdf = pciBdf;
  }

  add(family: GaugeFamily, value: number, ...labels: readonly string[]): void {
    const labelValues = [this.pciBdf, ...labels];
    const key = JSON.stringify([family.name, ...labels]);
    const cell = family.cell(...labelValues);
    cell.set(this.#cells.has(key) ? cell.value + value : value);
    this.#cells.set(key, [family, labelValues]);
  }

  /** Removes the series of those before that are not among these. @returns these */
  instead(before: ShownValues | undefined): this {
    for (const [key, [family, labelValues]] of before === undefined ? [] : before.#cells)
      if (!this.#cells.has(key)) family.remove(...labelValues);
    return this;
  }
}
