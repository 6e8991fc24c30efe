import { CounterFamily, GaugeFamily, type Counter, type Gauge } from './metric-families.js';
import { ERRNO_LABELS, LABEL, METRIC, OTHER_SERIES } from './names.js';
import type { ExpositionRegistry } from './registry.js';

/** The counters of one owner, one for each of {@link ERRNO_LABELS} and in that order: the hot path indexes an array. */
export type ErrnoCounters = readonly Counter[];

/** What of a device is shown: an `XeDevice` fits. A device that is bound anew is another object. */
export interface MeteredDevice {
  readonly pciBdf: string;
  readonly card: string | undefined;
  readonly render: string | undefined;
  readonly vendorId: string;
  readonly deviceId: string;
  readonly driverVersion: string;
  readonly numaNode: number;
}

/** What of a client's container is shown: a `Workload` fits. */
export interface MeteredWorkload {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** Containers that get series of their own on one device; further ones share the series `_other`. */
const DEFAULT_MAX_WORKLOADS = 512;

export interface DeviceMetricsOptions {
  readonly maxWorkloads?: number;
  /** Called for every label set that a cap turned away. */
  readonly onOverflow: (metric: string) => void;
}

/**
 * What is known of each device and of the containers on it. Every series exists at 0 from the discovery of its device or
 * client, because rate() does not see a series that is born at 1. JavaScript thread only.
 */
export class DeviceMetrics {
  readonly #rebindErrors: CounterFamily;
  readonly #rebindErrorLastTimestamp: GaugeFamily;
  readonly #clientRebindErrors: CounterFamily;
  readonly #clients: GaugeFamily;
  readonly #clientsWatched: GaugeFamily;
  readonly #info: GaugeFamily;
  /** Devices that are present, by PCI address, with the label values of their identity series. */
  readonly #present = new Map<string, { readonly device: MeteredDevice; readonly identity: readonly string[] }>();

  constructor(
    registry: ExpositionRegistry,
    { maxWorkloads = DEFAULT_MAX_WORKLOADS, onOverflow }: DeviceMetricsOptions,
  ) {
    const pciBdf = LABEL.pciBdf;
    this.#rebindErrors = registry.register(
      new CounterFamily({
        name: METRIC.vmRebindErrors,
        help: 'VM rebind errors on the device, one per incident.',
        labels: [pciBdf, LABEL.errno],
      }),
    );
    this.#rebindErrorLastTimestamp = registry.register(
      new GaugeFamily({
        name: METRIC.vmRebindErrorLastTimestamp,
        help: 'Unix time of the newest VM rebind error on the device, 0 for none since the exporter started.',
        labels: [pciBdf],
      }),
    );
    this.#clientRebindErrors = registry.register(
      new CounterFamily({
        name: METRIC.clientVmRebindErrors,
        help: 'VM rebind errors on the device by the container they hit, empty labels for a process outside of Kubernetes.',
        labels: [pciBdf, LABEL.errno, LABEL.k8sNamespace, LABEL.k8sPod, LABEL.k8sContainer],
        seriesCap: maxWorkloads * ERRNO_LABELS.length,
        overflow: (refused) => ({
          ...refused,
          [LABEL.k8sNamespace]: OTHER_SERIES,
          [LABEL.k8sPod]: OTHER_SERIES,
          [LABEL.k8sContainer]: OTHER_SERIES,
        }),
        onOverflow: () => onOverflow(METRIC.clientVmRebindErrors),
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
  deviceDiscovered(device: MeteredDevice, model = ''): void {
    const { pciBdf } = device;
    this.deviceRemoved(device);
    this.rebindErrors(pciBdf);
    this.rebindErrorLastTimestamp(pciBdf);
    this.#clients.cell(pciBdf);
    this.#clientsWatched.cell(pciBdf);
    const identity = identityOf(device, model);
    this.#info.cell(...identity).set(1);
    this.#present.set(pciBdf, { device, identity });
  }

  /** Takes off what only a present device has; the counters stay, because a counter never falls. */
  deviceRemoved({ pciBdf }: MeteredDevice): void {
    const before = this.#present.get(pciBdf);
    if (before === undefined) return;
    this.#present.delete(pciBdf);
    this.#info.remove(...before.identity);
    this.#clients.remove(pciBdf);
    this.#clientsWatched.remove(pciBdf);
  }

  /** Sets the watch coverage of a device; without effect for one that is gone or was bound anew in the meantime. */
  clientCounts(device: MeteredDevice, present: number, watched: number): void {
    if (this.#present.get(device.pciBdf)?.device !== device) return;
    this.#clients.cell(device.pciBdf).set(present);
    this.#clientsWatched.cell(device.pciBdf).set(watched);
  }

  /** The counters of a device, born at 0. */
  rebindErrors(pciBdf: string): ErrnoCounters {
    return ERRNO_LABELS.map((errno) => this.#rebindErrors.cell(pciBdf, errno));
  }

  /** Unix time in seconds of the device's newest error. */
  rebindErrorLastTimestamp(pciBdf: string): Gauge {
    return this.#rebindErrorLastTimestamp.cell(pciBdf);
  }

  /** The counters of a container on a device, born at 0; those of `_other` when there are too many containers. */
  clientRebindErrors(pciBdf: string, workload: MeteredWorkload | undefined): ErrnoCounters {
    const { namespace = '', pod = '', container = '' } = workload ?? {};
    return ERRNO_LABELS.map((errno) => this.#clientRebindErrors.cell(pciBdf, errno, namespace, pod, container));
  }
}

/** In the order of the labels of xe_device_info. */
function identityOf(device: MeteredDevice, model: string): readonly string[] {
  const { pciBdf, card = '', render = '', vendorId, deviceId, driverVersion, numaNode } = device;
  const pciId = `${vendorId.replace(/^0x/, '')}:${deviceId.replace(/^0x/, '')}`;
  return [pciBdf, card, render, pciId, vendorId === '0x8086' ? 'Intel' : '', model, driverVersion, String(numaNode)];
}
