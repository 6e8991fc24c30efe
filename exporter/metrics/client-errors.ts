import { LABEL, METRIC, type ErrnoLabel } from '../names.js';
import { Counter, type Family, type Sample } from './engine/metric-families.js';
import { SeriesTable } from './engine/series-table.js';

/** The errors of one container with one errno, and when the last one happened. */
export class ClientErrors extends Counter {
  #lastSeconds = 0;

  /** Unix time of the last error in seconds; 0 = none. */
  get lastSeconds(): number {
    return this.#lastSeconds;
  }

  /** @param seconds Unix time of the error; the clock of the node can be set back, the newest error stays the newest */
  count(seconds: number): void {
    this.inc();
    if (seconds > this.#lastSeconds) this.#lastSeconds = seconds;
  }
}

/** The errors of one container, one for each of ERRNO_LABELS and in that order: the hot path indexes an array. */
export type ErrnoCounters = readonly ClientErrors[];

/**
 * The errno that is exposed at 0. The others appear with their first error: they are rare, there would be four for each container,
 * and alert rules and dashboards count the first value of a series that an event brought into being.
 */
const EXPOSED_AT_ZERO: ErrnoLabel = 'ENOMEM';

/** xe_client_vm_rebind_errors_total and xe_client_vm_rebind_error_last_timestamp_seconds: two families over the same cells. */
export class ClientErrorFamilies {
  readonly errors: Family;
  /** No series until a container had the error. */
  readonly lastTimestamps: Family;
  readonly #cells: SeriesTable<ClientErrors>;

  /**
   * @param workloadLabels labels beyond the device and the errno
   * @param expire called before a scrape reads the cells
   */
  constructor(workloadLabels: readonly string[], expire: () => void) {
    const name = METRIC.clientVmRebindErrors;
    const help = 'VM rebind errors by affected container; labels are empty for processes outside any container.';
    const labels = [LABEL.pciBdf, LABEL.errno, ...workloadLabels];
    const cells = new SeriesTable({ name, help, labels }, (values) => new ClientErrors(values));
    this.#cells = cells;
    this.errors = family('counter', name, help, () => {
      expire();
      return cells.all().filter(({ value, labels }) => value > 0 || labels[LABEL.errno] === EXPOSED_AT_ZERO);
    });
    this.lastTimestamps = family(
      'gauge',
      METRIC.clientVmRebindErrorLastTimestamp,
      'Unix time of the last VM rebind error of the container.',
      () => {
        const hit = cells.all().filter(({ lastSeconds }) => lastSeconds > 0);
        return hit.map(({ labels, lastSeconds: value }) => ({ labels, value }));
      },
    );
  }

  /** The cell of these label values, born at 0. */
  at(pciBdf: string, errno: ErrnoLabel, workload: readonly string[]): ClientErrors {
    return this.#cells.at([pciBdf, errno, ...workload]);
  }

  remove(pciBdf: string, errno: ErrnoLabel, workload: readonly string[]): void {
    this.#cells.remove([pciBdf, errno, ...workload]);
  }
}

function family(type: Family['type'], name: string, help: string, values: () => Sample[]): Family {
  return { name, help, type, get: async () => ({ name, help, type, values: values() }) };
}
