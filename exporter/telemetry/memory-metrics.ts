import { GaugeFamily } from './metric-families.js';
import { LABEL, METRIC } from './names.js';
import type { ExpositionRegistry } from './registry.js';

/** Memory and power state of the devices, sampled off the event path. JavaScript thread only. */
export class MemoryMetrics {
  readonly deviceSize: GaugeFamily;
  readonly deviceUsed: GaugeFamily;
  readonly survivabilityMode: GaugeFamily;
  readonly runtimeSuspended: GaugeFamily;
  /** By container, in the order resident, total, shared, purgeable. */
  readonly clients: readonly GaugeFamily[];

  constructor(registry: ExpositionRegistry) {
    const gauge = (name: string, help: string, ...labels: string[]): GaugeFamily =>
      registry.register(new GaugeFamily({ name, help, labels: [LABEL.pciBdf, ...labels] }));
    const workload = [LABEL.region, LABEL.k8sNamespace, LABEL.k8sPod, LABEL.k8sContainer];
    this.deviceSize = gauge(METRIC.deviceMemorySize, 'Size of a memory region of the device in bytes.', LABEL.region);
    this.deviceUsed = gauge(METRIC.deviceMemoryUsed, 'Used bytes of a memory region of the device.', LABEL.region);
    this.survivabilityMode = gauge(
      METRIC.deviceSurvivabilityMode,
      'Whether the device is in survivability mode, in which it can only be flashed.',
    );
    this.runtimeSuspended = gauge(METRIC.deviceRuntimeSuspended, 'Whether the device sleeps.');
    this.clients = [
      gauge(
        METRIC.clientMemoryResident,
        'Bytes of the region that clients of the container have resident.',
        ...workload,
      ),
      gauge(
        METRIC.clientMemoryTotal,
        'Bytes that clients of the container have allocated for the region.',
        ...workload,
      ),
      gauge(
        METRIC.clientMemoryShared,
        'Bytes of the region that clients of the container share with others.',
        ...workload,
      ),
      gauge(
        METRIC.clientMemoryPurgeable,
        'Bytes of the region that clients of the container can do without.',
        ...workload,
      ),
    ];
  }
}
