import type { Workload } from '../clients/client.js';
import {
  ERRNO_LABELS,
  LABEL,
  OTHER_SERIES,
  UNATTRIBUTED_SERIES,
  type ClientFault,
  type WorkloadLabels,
} from '../names.js';
import { ClientErrorFamilies, type ErrnoCounters } from './client-errors.js';
import { ClientFaultFamily } from './client-faults.js';
import type { Counter } from './engine/metric-families.js';
import { wellFormed } from './engine/series-table.js';

/** The labels of a container's series, and where their values come from. */
type LabelTable = readonly (readonly [label: string, value: (workload: Workload) => string | undefined])[];

const LABELS: Readonly<Record<WorkloadLabels, LabelTable>> = {
  kubernetes: [
    [LABEL.k8sNamespace, ({ namespace }) => namespace],
    [LABEL.k8sPod, ({ pod }) => pod],
    [LABEL.k8sContainer, ({ container }) => container],
  ],
  systemd: [[LABEL.systemdUnit, ({ systemdUnit }) => systemdUnit]],
  slurm: [[LABEL.slurmJobId, ({ slurmJobId }) => slurmJobId]],
};

/** The series of one container on one device, or those that stand for several. */
export interface OwnerCounters {
  readonly counters: ErrnoCounters;
  /** The counter of one kind of fault, born at 0. */
  fault(fault: ClientFault): Counter;
}

/** A client's hold on the series of its container: they are there until it is released. */
export interface ClientLease extends OwnerCounters {
  /** Ends the hold; {@link counters} may then be removed at any time. A second release is the first. */
  release(): void;
}

export interface ClientSeriesOptions {
  readonly labels: WorkloadLabels;
  /** Pairs of device and container that get series of their own; further ones share `_other` of their device. */
  readonly maxWorkloads: number;
  /** How long series outlive the last client of their container, in milliseconds. */
  readonly retentionMs: number;
  /** Called once for each container that found no room. */
  readonly onOverflow: () => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** The series of one container on one device. */
interface ContainerSeries extends OwnerCounters {
  readonly key: string;
  readonly labelValues: readonly [pciBdf: string, ...workload: string[]];
  clients: number;
}

/**
 * Which containers have series of their own in {@link families} and {@link faults}: born at 0 with the first client of a container, kept for a while after
 * its last one, and never more than the cap. When the cap is reached, the container that has had no client for longest makes room; if
 * every one has clients, the new one counts under `_other`.
 */
export class ClientSeries {
  readonly families: ClientErrorFamilies;
  readonly faults: ClientFaultFamily;
  readonly #options: ClientSeriesOptions;
  readonly #labels: LabelTable;
  readonly #containers = new Map<string, ContainerSeries>();
  /** Containers without a client and since when, the longest first. */
  readonly #idle = new Map<ContainerSeries, number>();
  /** Clients of the containers that found no room. */
  readonly #refused = new Map<string, number>();

  constructor(options: ClientSeriesOptions) {
    this.#options = options;
    this.#labels = LABELS[options.labels];
    this.families = new ClientErrorFamilies(this.ownerLabelNames, () => this.#expire());
    this.faults = new ClientFaultFamily(this.ownerLabelNames);
  }

  /** Holds the series of a client's container, at 0 if they are new. */
  acquire(pciBdf: string, workload: Workload | undefined): ClientLease {
    const labelValues = this.#labelValues(pciBdf, workload);
    const key = JSON.stringify(labelValues);
    const series = this.#containers.get(key) ?? this.#admit(key, labelValues);
    return series ? this.#hold(series) : this.#refuse(key, pciBdf);
  }

  /**
   * The series of a device for errors whose victim is not known for certain, at 0 if they are new. They stay and no cap applies, so that
   * the series by client always add up to those of the device.
   */
  unattributed(pciBdf: string): OwnerCounters {
    return this.#cells([pciBdf, ...this.#labels.map(() => UNATTRIBUTED_SERIES)]);
  }

  /** The labels of a container, in the order of the values that {@link ownerLabels} gives. */
  get ownerLabelNames(): readonly string[] {
    return this.#labels.map(([label]) => label);
  }

  /**
   * The labels under which a client's container counts: its own, or those of `_other` when it found no room. Other families by
   * container use them, too, and so have the same bound.
   */
  ownerLabels(pciBdf: string, workload: Workload | undefined): readonly string[] {
    const [, ...values] = this.#labelValues(pciBdf, workload);
    const key = JSON.stringify([pciBdf, ...values]);
    return this.#containers.has(key) ? values : this.#labels.map(() => OTHER_SERIES);
  }

  #labelValues(pciBdf: string, workload: Workload | undefined): ContainerSeries['labelValues'] {
    return [pciBdf, ...this.#labels.map(([, value]) => wellFormed((workload && value(workload)) ?? ''))];
  }

  #admit(key: string, labelValues: ContainerSeries['labelValues']): ContainerSeries | undefined {
    this.#expire();
    if (this.#containers.size >= this.#options.maxWorkloads) {
      const [longestIdle] = this.#idle.keys();
      if (longestIdle === undefined) return undefined;
      this.#remove(longestIdle);
    }
    const series = { key, labelValues, ...this.#cells(labelValues), clients: 0 };
    this.#containers.set(key, series);
    return series;
  }

  #hold(series: ContainerSeries): ClientLease {
    series.clients++;
    this.#idle.delete(series);
    return lease(series, () => {
      if (--series.clients === 0) this.#idle.set(series, this.#options.now());
    });
  }

  /** The series `_other` of a device stay: they are as many as devices. */
  #refuse(key: string, pciBdf: string): ClientLease {
    const before = this.#refused.get(key) ?? 0;
    if (before === 0) this.#options.onOverflow();
    this.#refused.set(key, before + 1);
    return lease(this.#cells([pciBdf, ...this.#labels.map(() => OTHER_SERIES)]), () => {
      const left = (this.#refused.get(key) ?? 1) - 1;
      if (left === 0) this.#refused.delete(key);
      else this.#refused.set(key, left);
    });
  }

  #expire(): void {
    const now = this.#options.now();
    for (const [series, since] of this.#idle) {
      if (now - since < this.#options.retentionMs) break;
      this.#remove(series);
    }
  }

  #remove(series: ContainerSeries): void {
    const [pciBdf, ...workload] = series.labelValues;
    this.#idle.delete(series);
    this.#containers.delete(series.key);
    for (const errno of ERRNO_LABELS) this.families.remove(pciBdf, errno, workload);
    this.faults.remove(pciBdf, workload);
  }

  #cells([pciBdf, ...workload]: ContainerSeries['labelValues']): OwnerCounters {
    return {
      counters: ERRNO_LABELS.map((errno) => this.families.at(pciBdf, errno, workload)),
      fault: (fault) => this.faults.at(pciBdf, fault, workload),
    };
  }
}

function lease({ counters, fault }: OwnerCounters, end: () => void): ClientLease {
  let released = false;
  return {
    counters,
    fault,
    release() {
      if (released) return;
      released = true;
      end();
    },
  };
}
