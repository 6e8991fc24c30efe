import { LABEL, METRIC, type HardwareErrorSeverity } from '../names.js';
import { CounterFamily } from './engine/metric-families.js';
import type { ExpositionRegistry } from './engine/prom-client-adapter.js';

/** DRM_XE_RAS_ERROR_SEVERITY_NAMES of include/uapi/drm/xe_drm.h (Linux 7.2). */
const SEVERITIES: Readonly<Record<string, HardwareErrorSeverity | undefined>> = {
  'correctable-errors': 'corrected',
  'uncorrectable-errors': 'uncorrected',
};

/** The hardware error counters of the driver. A device has series from the first read on, which most kernels and devices never allow. */
export class RasMetrics {
  readonly #errors: CounterFamily;

  constructor(registry: ExpositionRegistry) {
    this.#errors = registry.register(
      new CounterFamily({
        name: METRIC.deviceRasErrors,
        help: 'Hardware errors that the driver has counted since it was bound, by severity and component.',
        labels: [LABEL.pciBdf, LABEL.severity, LABEL.component],
      }),
    );
  }

  /** @param node the name of the group of counters @param growth since the last read */
  grown(pciBdf: string, node: string, component: string, growth: number): void {
    this.#errors.cell(pciBdf, SEVERITIES[node] ?? 'unknown', component).inc(growth);
  }
}
