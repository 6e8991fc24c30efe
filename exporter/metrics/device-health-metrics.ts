import type { DeviceHealth } from '../events/device-health.js';
import { DEVICE_HEALTH_STATES, LABEL, METRIC } from '../names.js';
import { GaugeFamily } from './engine/metric-families.js';
import type { ExpositionRegistry } from './engine/prom-client-adapter.js';

/** Whether each device is fit for work: one series for each device, which changes its label with the state. */
export class DeviceHealthMetrics {
  readonly #state: GaugeFamily;
  readonly #changed: GaugeFamily;

  constructor(registry: ExpositionRegistry) {
    this.#state = registry.register(
      new GaugeFamily({
        name: METRIC.deviceHealth,
        help: 'State of health of the device, always 1; a state that the device is not in has no series.',
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
    for (const other of DEVICE_HEALTH_STATES) if (other !== state) this.#state.remove(pciBdf, other);
    this.#state.cell(pciBdf, state).set(1);
    this.#changed.cell(pciBdf).set(sinceMs / 1000);
  }

  remove(pciBdf: string): void {
    for (const one of DEVICE_HEALTH_STATES) this.#state.remove(pciBdf, one);
    this.#changed.remove(pciBdf);
  }
}
