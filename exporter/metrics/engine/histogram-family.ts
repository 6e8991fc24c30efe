import type { Family, FamilySnapshot, Sample } from './metric-families.js';
import { SeriesTable, type FamilyOptions, type Labels } from './series-table.js';

export interface HistogramOptions extends FamilyOptions {
  /** Upper bounds, inclusive, ascending, without +Inf. */
  readonly buckets: readonly number[];
}

/** One label set of a histogram. */
export class Histogram {
  readonly labels: Labels;
  /** Unix time at which it was empty, in milliseconds. */
  readonly bornMs = Date.now();
  /** Upper bounds, inclusive, without +Inf. */
  readonly bounds: readonly number[];
  /** Not cumulative; the last one is +Inf. */
  readonly #counts: number[];
  #sum = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /**
   * @param value in the unit of the family
   * @param count how many observations had this value, so that a batch costs one call
   * @throws RangeError when the value is negative or not finite (the sum would fall), or the count is no natural number
   */
  observe(value: number, count = 1): void {
    if (!(value >= 0 && value < Infinity)) throw new RangeError(`a histogram cannot observe ${value}`);
    if (!(Number.isSafeInteger(count) && count >= 0)) throw new RangeError(`a histogram cannot observe ${count} times`);
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] as number)) index++;
    this.#counts[index] = (this.#counts[index] as number) + count;
    this.#sum += value * count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** Number of observations in each bucket, not cumulative; the last one is +Inf. */
  get counts(): readonly number[] {
    return this.#counts;
  }

  /** Number of observations up to each bound and, last, of all. */
  cumulative(): number[] {
    let total = 0;
    return this.#counts.map((count) => (total += count));
  }
}

/** A histogram with labels. */
export class HistogramFamily implements Family {
  readonly type = 'histogram';
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly string[];
  readonly #table: SeriesTable<Histogram>;

  constructor(options: HistogramOptions) {
    const { name, help, buckets } = options;
    if (!buckets.every((bound, index) => Number.isFinite(bound) && bound > (buckets[index - 1] ?? -Infinity))) {
      throw new RangeError(`the buckets of ${name} have to ascend`);
    }
    this.name = name;
    this.help = help;
    this.#bounds = [...buckets.map(canonical), '+Inf'];
    this.#table = new SeriesTable(options, (labels) => new Histogram(labels, buckets));
  }

  /** The series of these label values, born empty. */
  cell(...labelValues: string[]): Histogram {
    return this.#table.at(labelValues);
  }

  /** Every series. */
  cells(): readonly Histogram[] {
    return this.#table.all();
  }

  async get(): Promise<FamilySnapshot> {
    return {
      name: this.name,
      help: this.help,
      type: this.type,
      values: this.#table.all().flatMap((cell) => this.#samples(cell)),
    };
  }

  #samples(cell: Histogram): Sample[] {
    const counts = cell.cumulative();
    const samples: Sample[] = counts.map((value, index) => ({
      metricName: `${this.name}_bucket`,
      labels: { ...cell.labels, le: this.#bounds[index] ?? '+Inf' },
      value,
    }));
    samples.push({ metricName: `${this.name}_sum`, labels: cell.labels, value: cell.sum });
    samples.push({ metricName: `${this.name}_count`, labels: cell.labels, value: counts.at(-1) ?? 0 });
    return samples;
  }
}

/** OpenMetrics spells whole numbers `1.0`; both formats use it, so that a change of scrape protocol does not change the series. */
function canonical(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}
