import { LABEL, METRIC } from '../names.js';
import { CounterFamily } from './engine/metric-families.js';
import type { ExpositionRegistry } from './engine/prom-client-adapter.js';

/** What has moved out of and back into the memory of a device since the last look. */
export interface Moved {
  readonly evictions: number;
  readonly evictedBytes: number;
  readonly restoredBytes: number;
}

/** Evictions of the devices. A device has series from the first look on, which a kernel that cannot tell never allows. */
export class MoveMetrics {
  readonly #evictions: CounterFamily;
  readonly #evictedBytes: CounterFamily;
  readonly #restoredBytes: CounterFamily;

  constructor(registry: ExpositionRegistry) {
    const counter = (name: string, help: string): CounterFamily =>
      registry.register(new CounterFamily({ name, help, labels: [LABEL.pciBdf] }));
    this.#evictions = counter(
      METRIC.deviceEvictions,
      'Buffers that the driver moved from the memory of the device to that of the host.',
    );
    this.#evictedBytes = counter(
      METRIC.deviceEvictedBytes,
      'Bytes that the driver moved from the memory of the device to that of the host.',
    );
    this.#restoredBytes = counter(
      METRIC.deviceRestoredBytes,
      'Bytes that the driver moved back from the memory of the host to that of the device.',
    );
  }

  moved(pciBdf: string, { evictions, evictedBytes, restoredBytes }: Moved): void {
    this.#evictions.cell(pciBdf).inc(evictions);
    this.#evictedBytes.cell(pciBdf).inc(evictedBytes);
    this.#restoredBytes.cell(pciBdf).inc(restoredBytes);
  }
}
