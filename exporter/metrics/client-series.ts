import { Counter, type Family, type FamilySnapshot } from './engine/metric-families.js';
import {
  ERRNO_LABELS,
  LABEL,
  METRIC,
  OTHER_SERIES,
  UNATTRIBUTED_SERIES,
  type ErrnoLabel,
  type WorkloadLabels,
} from '../names.js';
import { SeriesTable, wellFormed } from './engine/series-table.js';

/** The errors of one container with one errno, and when the newest one happened. */
export class ClientErrors extends Counter {
  #lastSeconds = 0;

  /** Unix time of the newest error in seconds; 0 = none. */
  get lastSeconds(): number {
    return this.#lastSeconds;
  }

  /** @param seconds Unix time of the error; the clock of the node can be set back, the newest error stays the newest */
  count(seconds: number): void {
    this.inc();
    if (seconds > this.#lastSeconds) this.#lastSeconds = seconds;
  }
}

/** The errors of one container, one for each of {@link ERRNO_LABELS} and in that order: the hot path indexes an array. */
export type ErrnoCounters = readonly ClientErrors[];

/**
 * The errno that is exposed at 0. The others appear with their first error: they are rare, there would be four for each container,
 * and alert rules and dashboards count the first value of a series that an event brought into being.
 */
const EXPOSED_AT_ZERO: ErrnoLabel = 'ENOMEM';

/** What of a client's container is shown: a `Workload` fits. */
export interface MeteredWorkload {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly systemdUnit?: string;
  readonly slurmJobId?: string;
}

/** The labels of a container's series, and where their values come from. */
type LabelTable = readonly (readonly [label: string, value: (workload: MeteredWorkload) => string | undefined])[];

const LABELS: Readonly<Record<WorkloadLabels, LabelTable>> = {
  kubernetes: [
    [LABEL.k8sNamespace, ({ namespace }) => namespace],
    [LABEL.k8sPod, ({ pod }) => pod],
    [LABEL.k8sContainer, ({ container }) => container],
  ],
  systemd: [[LABEL.systemdUnit, ({ systemdUnit }) => systemdUnit]],
  slurm: [[LABEL.slurmJobId, ({ slurmJobId }) => slurmJobId]],
};

/** A client's hold on the series of its container: they are there until it is released. */
export interface ClientLease {
  readonly counters: ErrnoCounters;
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
interface ContainerSeries {
  readonly key: string;
  readonly labelValues: readonly [pciBdf: string, ...workload: string[]];
  readonly counters: ErrnoCounters;
  clients: number;
}

/**
 * The series of xe_client_vm_rebind_errors_total: born at 0 with the first client of a container, kept for a while after its
 * last one, and never more than the cap. When there is no room, the container that has been without a client for longest
 * makes some; if every one has clients, the newcomer counts under `_other`. JavaScript thread only.
 */
export class ClientSeries implements Family {
  readonly name = METRIC.clientVmRebindErrors;
  readonly help = 'VM rebind errors on the device by whom they hit, empty labels for a process that belongs to nobody.';
  readonly type = 'counter';
  readonly #options: ClientSeriesOptions;
  readonly #labels: LabelTable;
  readonly #errors: SeriesTable<ClientErrors>;
  /** When each container last had each error: no series until it had one. */
  readonly lastTimestamps: Family;
  readonly #containers = new Map<string, ContainerSeries>();
  /** Containers without a client and since when, the longest first. */
  readonly #idle = new Map<ContainerSeries, number>();
  /** Clients of the containers that found no room. */
  readonly #refused = new Map<string, number>();

  constructor(options: ClientSeriesOptions) {
    this.#options = options;
    this.#labels = LABELS[options.labels];
    const labels = [LABEL.pciBdf, LABEL.errno, ...this.#labels.map(([label]) => label)];
    const { name, help } = this;
    this.#errors = new SeriesTable({ name, help, labels }, (values) => new ClientErrors(values));
    this.lastTimestamps = lastTimestamps(this.#errors);
  }

  /** Holds the series of a client's container, at 0 if they are new. */
  acquire(pciBdf: string, workload: MeteredWorkload | undefined): ClientLease {
    const labelValues = this.#labelValues(pciBdf, workload);
    const key = JSON.stringify(labelValues);
    const series = this.#containers.get(key) ?? this.#admit(key, labelValues);
    return series ? this.#hold(series) : this.#refuse(key, pciBdf);
  }

  /**
   * The series of a device for errors whose victim is not known for certain, at 0 if they are new. They stay, and no cap applies: with them
   * the series by client add up to those of the device.
   */
  unattributed(pciBdf: string): ErrnoCounters {
    return this.#cells([pciBdf, ...this.#labels.map(() => UNATTRIBUTED_SERIES)]);
  }

  /** The labels of a container, in the order of the values that {@link ownerLabels} gives. */
  get ownerLabelNames(): readonly string[] {
    return this.#labels.map(([label]) => label);
  }

  /**
   * Under which labels a client's container counts: its own, or those of `_other` when it found no room. Whoever keeps other
   * series of containers is bounded by this, too.
   */
  ownerLabels(pciBdf: string, workload: MeteredWorkload | undefined): readonly string[] {
    const [, ...values] = this.#labelValues(pciBdf, workload);
    const key = JSON.stringify([pciBdf, ...values]);
    return this.#containers.has(key) ? values : this.#labels.map(() => OTHER_SERIES);
  }

  /** Without the series whose time is up. */
  async get(): Promise<FamilySnapshot> {
    this.#expire();
    const { name, help, type } = this;
    const values = this.#errors
      .all()
      .filter((errors) => errors.value > 0 || errors.labels[LABEL.errno] === EXPOSED_AT_ZERO);
    return { name, help, type, values };
  }

  #labelValues(pciBdf: string, workload: MeteredWorkload | undefined): ContainerSeries['labelValues'] {
    return [pciBdf, ...this.#labels.map(([, value]) => wellFormed((workload && value(workload)) ?? ''))];
  }

  #admit(key: string, labelValues: ContainerSeries['labelValues']): ContainerSeries | undefined {
    this.#expire();
    if (this.#containers.size >= this.#options.maxWorkloads) {
      const [longestIdle] = this.#idle.keys();
      if (longestIdle === undefined) return undefined;
      this.#remove(longestIdle);
    }
    const series = { key, labelValues, counters: this.#cells(labelValues), clients: 0 };
    this.#containers.set(key, series);
    return series;
  }

  #hold(series: ContainerSeries): ClientLease {
    series.clients++;
    this.#idle.delete(series);
    return lease(series.counters, () => {
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
    for (const errno of ERRNO_LABELS) this.#errors.remove([pciBdf, errno, ...workload]);
  }

  #cells([pciBdf, ...workload]: ContainerSeries['labelValues']): ErrnoCounters {
    return ERRNO_LABELS.map((errno) => this.#errors.at([pciBdf, errno, ...workload]));
  }
}

function lastTimestamps(errors: SeriesTable<ClientErrors>): Family {
  const name = METRIC.clientVmRebindErrorLastTimestamp;
  const help = 'Unix time of the newest VM rebind error on the device by whom it hit.';
  const type = 'gauge';
  const hit = () => errors.all().filter(({ lastSeconds }) => lastSeconds > 0);
  return {
    name,
    help,
    type,
    get: async () => ({ name, help, type, values: hit().map(({ labels, lastSeconds: value }) => ({ labels, value })) }),
  };
}

function lease(counters: ErrnoCounters, end: () => void): ClientLease {
  let released = false;
  return {
    counters,
    release() {
      if (released) return;
      released = true;
      end();
    },
  };
}
