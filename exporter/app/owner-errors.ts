import type { Workload } from '../clients/client.js';
import type { ClientSeries } from '../metrics/client-series.js';
import { LABEL, OTHER_SERIES, UNATTRIBUTED_SERIES } from '../names.js';

interface Errors {
  readonly pciBdf: string;
  readonly labels: readonly string[];
  readonly names: readonly string[];
  count: number;
  lastSeconds: number;
}

const NONE = { count: 0, lastSeconds: 0 };

/** The rebind errors of each container on each device, over all error codes, as the metrics have them at one moment. */
export class OwnerErrors {
  readonly #series: ClientSeries;
  readonly #errors = new Map<string, Errors>();

  private constructor(series: ClientSeries) {
    this.#series = series;
  }

  static async read(series: ClientSeries): Promise<OwnerErrors> {
    const read = new OwnerErrors(series);
    for (const { labels, value } of (await series.families.errors.get()).values) read.#at(labels).count += value;
    for (const { labels, value } of (await series.families.lastTimestamps.get()).values) {
      const errors = read.#at(labels);
      errors.lastSeconds = Math.max(errors.lastSeconds, value);
    }
    return read;
  }

  of(pciBdf: string, workload: Workload | undefined): Pick<Errors, 'count' | 'lastSeconds'> {
    return this.#errors.get(JSON.stringify([pciBdf, ...this.#series.ownerLabels(pciBdf, workload)])) ?? NONE;
  }

  /** Who had an error on the device since then, in words, the last first. */
  hitSince(pciBdf: string, seconds: number): readonly string[] {
    const hit = [...this.#errors.values()]
      .filter((errors) => errors.pciBdf === pciBdf && errors.lastSeconds >= seconds)
      .sort((a, b) => b.lastSeconds - a.lastSeconds);
    return [...new Set(hit.map(spoken))];
  }

  #at(labels: Readonly<Partial<Record<string, string | number>>>): Errors {
    const pciBdf = String(labels[LABEL.pciBdf]);
    const names = this.#series.ownerLabelNames;
    const values = names.map((name) => String(labels[name] ?? ''));
    const key = JSON.stringify([pciBdf, ...values]);
    const errors = this.#errors.get(key) ?? { pciBdf, names, labels: values, ...NONE };
    this.#errors.set(key, errors);
    return errors;
  }
}

/** `namespace/pod`, the unit or the job, and words where there is none of them. */
function spoken({ names, labels }: Errors): string {
  if (labels.includes(UNATTRIBUTED_SERIES)) return 'a process that the kernel did not name';
  if (labels.includes(OTHER_SERIES)) return 'jobs over the series limit';
  const shown = labels.filter((label, index) => label !== '' && names[index] !== LABEL.k8sContainer);
  return shown.join('/') || 'a process outside of pods';
}
