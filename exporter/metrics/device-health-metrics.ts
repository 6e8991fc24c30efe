import type { DeviceHealth } from '../events/device-health.js';
import { DEVICE_HEALTH_STATES, LABEL, METRIC } from '../names.js';
import { GaugeFamily } from './engine/metric-families.js';
import type { ExpositionRegistry } from './engine/prom-client-adapter.js';

/** Whether each device is fit for work: a state set, of which exactly one series is 1 at any scrape. */
export class DeviceHealthMetrics {
  readonly #state: GaugeFamily;
  readonly #changed: GaugeFamily;

  constructor(registry: ExpositionRegistry) {
    this.#state = registry.register(
      new GaugeFamily({
        name: METRIC.deviceHealth,
        help: 'Whether the device is in this state of health: 1 for exactly one state of each device.',
        labels: [LABEL.pciBdf, LABEL.state],
      }),
    );
    this.#changed = registry.register(
      new GaugeFamily({
        name: METRIC.deviceHealthChanged,
        help: 'Unix time in seconds at which the device came into its state of health.',
        labels: [LABEL.pciBdf],
      }),
    );
  }

  set({ pciBdf, state, sinceMs }: DeviceHealth): void {
    for (const one of DEVICE_HEALTH_STATES) this.#state.cell(pciBdf, one).set(one === state ? 1 : 0);
    this.#changed.cell(pciBdf).set(sinceMs / 1000);
  }

  remove(pciBdf: string): void {
    for (const one of DEVICE_HEALTH_STATES) this.#state.remove(pciBdf, one);
    this.#changed.remove(pciBdf);
  }
}
