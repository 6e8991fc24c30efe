import { SeriesTable, type FamilyOptions, type Labels } from './series-table.js';

/**
 * Our side of prom-client: its `Counter` hashes the labels on every call and its OpenMetrics mode renames metrics while it
 * renders, so the cells are ours and only the rendering is prom-client's. A family is what its `Registry` asks of a metric.
 */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  get(): Promise<FamilySnapshot>;
}

export interface FamilySnapshot {
  readonly name: string;
  readonly help: string;
  readonly type: Family['type'];
  readonly values: readonly Sample[];
}

/** One event behind a counter, for OpenMetrics; the text format has no place for it. */
export interface Exemplar {
  /** Names and values together have at most 128 characters. */
  readonly labelSet: Labels;
  readonly value: number;
  /** Unix time in seconds. */
  readonly timestamp: number;
}

/** One line of the exposition; `metricName` where it is not the family's own name. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
  /** Unix time at which the series was 0, in milliseconds; undefined where nobody needs it, or nobody knows. */
  readonly bornMs?: number;
  readonly exemplar?: Exemplar | undefined;
}

/** One series of a counter. It is its own sample, so a scrape copies nothing. */
export class Counter implements Sample {
  readonly labels: Labels;
  readonly bornMs = Date.now();
  /** The last event it counted, where exemplars are wanted. */
  exemplar: Exemplar | undefined;
  #value = 0;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  get value(): number {
    return this.#value;
  }

  /** @throws RangeError when `n` is negative or not finite: a counter never falls */
  inc(n = 1): void {
    if (!(n >= 0 && n < Infinity)) throw new RangeError(`a counter cannot grow by ${n}`);
    this.#value += n;
  }
}

/** What counters and gauges share: a name, a help and a series for each set of label values. */
abstract class SeriesFamily<Series extends Sample> implements Family {
  abstract readonly type: Family['type'];
  readonly name: string;
  readonly help: string;
  readonly #table: SeriesTable<Series>;

  constructor(options: FamilyOptions, create: (labels: Labels) => Series) {
    this.name = options.name;
    this.help = options.help;
    this.#table = new SeriesTable(options, create);
  }

  /** The series of these label values, born at 0. Keep it: the look-up is not for hot paths. */
  cell(...labelValues: string[]): Series {
    return this.#table.at(labelValues);
  }

  /**
   * Removes the series from the exposition; of a counter only for an owner that is gone for good, because one that comes back starts
   * at 0. @returns whether there was one
   */
  remove(...labelValues: string[]): boolean {
    return this.#table.remove(labelValues);
  }

  async get(): Promise<FamilySnapshot> {
    return { name: this.name, help: this.help, type: this.type, values: this.#table.all() };
  }
}

/** A counter with labels. Its name ends in `_total`. */
export class CounterFamily extends SeriesFamily<Counter> {
  readonly type = 'counter';

  constructor(options: FamilyOptions) {
    if (!options.name.endsWith('_total')) throw new RangeError(`the counter ${options.name} has to end in _total`);
    super(options, (labels) => new Counter(labels));
  }
}

/** One series of a gauge. */
export class Gauge implements Sample {
  readonly labels: Labels;
  #value = 0;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  get value(): number {
    return this.#value;
  }

  /** @throws RangeError when the value is not finite */
  set(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`a gauge cannot be ${value}`);
    this.#value = value;
  }
}

/** A gauge with labels. */
export class GaugeFamily extends SeriesFamily<Gauge> {
  readonly type = 'gauge';

  constructor(options: FamilyOptions) {
    super(options, (labels) => new Gauge(labels));
  }
}
