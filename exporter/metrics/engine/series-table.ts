/** Label names and values of one series. */
export type Labels = Readonly<Record<string, string>>;

/** What every metric family is declared with. */
export interface FamilyOptions {
  readonly name: string;
  /** One sentence that ends in a dot. */
  readonly help: string;
  readonly labels?: readonly string[];
}

/**
 * The series of one family: one cell for every label set. A cell, once handed out, stays the same object until it is removed,
 * so callers keep it and never look it up on a hot path. Bounds are the callers' part: see ClientSeries.
 */
export class SeriesTable<Cell> {
  readonly #options: FamilyOptions;
  readonly #names: readonly string[];
  readonly #create: (labels: Labels) => Cell;
  readonly #cells = new Map<string, Cell>();

  /** @throws RangeError when a name breaks the exposition format, the help is no sentence. */
  constructor(options: FamilyOptions, create: (labels: Labels) => Cell) {
    this.#options = options;
    this.#names = options.labels ?? [];
    this.#create = create;
    check(options, this.#names);
    if (this.#names.length === 0) this.at([]);
  }

  /**
   * @param values one value for each label name, in their order; any string, lone surrogates become U+FFFD as they would on the wire
   * @throws RangeError when the number of values is wrong
   */
  at(values: readonly string[]): Cell {
    const wellFormedValues = values.map(wellFormed);
    const key = keyOf(wellFormedValues);
    const known = this.#cells.get(key);
    if (known !== undefined) return known;
    if (values.length !== this.#names.length) {
      throw new RangeError(`${this.#options.name} has ${this.#names.length} labels, got ${values.length} values`);
    }
    const labels = Object.fromEntries(this.#names.map((name, index) => [name, wellFormedValues[index] ?? '']));
    const cell = this.#create(labels);
    this.#cells.set(key, cell);
    return cell;
  }

  /** Forgets one series; a handle that is still held counts nowhere from then on. @returns whether there was one */
  remove(values: readonly string[]): boolean {
    return this.#cells.delete(keyOf(values.map(wellFormed)));
  }

  /** In the order in which the series were born. */
  all(): Cell[] {
    return [...this.#cells.values()];
  }
}

/** Two label values that differ in lone surrogates only would come out as one series twice. */
export function wellFormed(value: string): string {
  return value.replace(/\p{Surrogate}/gu, '\uFFFD');
}

/** Values may hold any character, so no separator is safe; JSON is one to one. */
function keyOf(values: readonly string[]): string {
  return JSON.stringify(values);
}

function check({ name, help }: FamilyOptions, labels: readonly string[]): void {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new RangeError(`bad metric name ${JSON.stringify(name)}`);
  // OpenMetrics wants quotes in HELP escaped and prom-client does not do it.
  if (!/^[^"\\\n]+\.$/.test(help))
    throw new RangeError(`the help of ${name} has to be one plain sentence that ends in a dot`);
  const bad = labels.find(
    (label, index) => !/^[a-z][a-z0-9_]*$/.test(label) || label === 'le' || labels.indexOf(label) !== index,
  );
  if (bad !== undefined) throw new RangeError(`bad label name ${JSON.stringify(bad)} of ${name}`);
}
