import { CounterFamily, GaugeFamily, type Counter } from './engine/metric-families.js';
import { HARDWARE_ERROR_SEVERITIES, LABEL, METRIC } from '../names.js';
import type { ExpositionRegistry } from './engine/registry.js';

/** One counter a device for each kind of trouble that kernel log and uevents tell of. */
const DEVICE_COUNTERS = {
  [METRIC.deviceWedgedEvents]: 'Times the driver gave the device up, one per wedging.',
  [METRIC.devcoredumps]: 'Device coredumps the driver captured.',
  [METRIC.jobTimeouts]: 'Jobs that did not end in time and were stopped.',
  [METRIC.engineResets]: 'Engine resets.',
  [METRIC.gtResets]: 'GT resets, counted when they begin.',
  [METRIC.pageFaultsUnserviced]: 'GPU page faults that could not be served.',
  [METRIC.memoryCatErrors]: 'Accesses of a queue to memory that is not mapped.',
  [METRIC.gucLoadFailures]: 'Failures to load the GuC firmware.',
  [METRIC.kernelLogErrors]: 'Errors the xe driver logged for which there is no other counter.',
} as const;

/** The counters and the state of each device beside its rebind errors. JavaScript thread only. */
export class DeviceCounters {
  readonly #counters = new Map<string, CounterFamily>();
  readonly #hardwareErrors: CounterFamily;
  readonly #wedged: GaugeFamily;
  readonly #ttmEvictionFailures: CounterFamily;

  constructor(registry: ExpositionRegistry) {
    for (const [name, help] of Object.entries(DEVICE_COUNTERS)) {
      this.#counters.set(name, registry.register(new CounterFamily({ name, help, labels: [LABEL.pciBdf] })));
    }
    this.#hardwareErrors = registry.register(
      new CounterFamily({
        name: METRIC.hardwareErrors,
        help: 'Hardware errors the device reported, by whether the hardware corrected them.',
        labels: [LABEL.pciBdf, LABEL.severity],
      }),
    );
    this.#counters.set(METRIC.hardwareErrors, this.#hardwareErrors);
    this.#wedged = registry.register(
      new GaugeFamily({
        name: METRIC.deviceWedged,
        help: 'Whether the driver gave the device up, 1 until it is bound again.',
        labels: [LABEL.pciBdf],
      }),
    );
    this.#ttmEvictionFailures = registry.register(
      new CounterFamily({
        name: METRIC.ttmEvictionFailures,
        help: 'Times GPU memory could not be evicted to host memory; the kernel does not say of which device.',
      }),
    );
    this.#ttmEvictionFailures.cell();
  }

  /** Creates every series of a device at 0. A bind is what ends being wedged; the counters keep their counts. */
  deviceBound(pciBdf: string): void {
    for (const name of Object.keys(DEVICE_COUNTERS)) this.of(name, pciBdf);
    for (const severity of HARDWARE_ERROR_SEVERITIES) this.#hardwareErrors.cell(pciBdf, severity);
    this.setWedged(pciBdf, false);
  }

  setWedged(pciBdf: string, wedged: boolean): void {
    this.#wedged.cell(pciBdf).set(wedged ? 1 : 0);
  }

  /** @param pciBdf of a device that is bound */
  isWedged(pciBdf: string): boolean {
    return this.#wedged.cell(pciBdf).value === 1;
  }

  /** Every count of a device that is bound, by the name of the metric and, of hardware errors, their severity. */
  all(pciBdf: string): readonly (readonly [metric: string, severity: string, count: number])[] {
    return [
      ...Object.keys(DEVICE_COUNTERS).map((metric) => [metric, '', this.of(metric, pciBdf).value] as const),
      ...HARDWARE_ERROR_SEVERITIES.map(
        (severity) => [METRIC.hardwareErrors, severity, this.#hardwareErrors.cell(pciBdf, severity).value] as const,
      ),
    ];
  }

  /** Without a driver nobody can say. */
  deviceUnbound(pciBdf: string): void {
    this.#wedged.remove(pciBdf);
  }

  /**
   * @param metric one of those counted by device; @throws RangeError for any other
   * @param more the values of its labels beyond the device: the severity of a hardware error
   */
  of(metric: string, pciBdf: string, ...more: readonly string[]): Counter {
    const family = this.#counters.get(metric);
    if (family === undefined) throw new RangeError(`${metric} is not counted by device`);
    return family.cell(pciBdf, ...more);
  }

  /** The counter of the node, for what the kernel puts down to no device. */
  get ttmEvictionFailures(): Counter {
    return this.#ttmEvictionFailures.cell();
  }
}
