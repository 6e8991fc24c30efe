import { nearest } from '../config/nearest.js';
import { quote } from '../config/problem.js';

/**
 * One mapping of the file, read key by key. What is wrong goes into `problems` with its path, never with a value that may be
 * secret. Keys that were not read before {@link end} are unknown.
 */
export class Section {
  readonly path: string;
  readonly problems: string[];
  readonly #entries: ReadonlyMap<string, unknown>;
  readonly #known = new Set<string>();

  private constructor(path: string, entries: ReadonlyMap<string, unknown>, problems: string[]) {
    this.path = path;
    this.#entries = entries;
    this.problems = problems;
  }

  /** @returns undefined, and a problem, when `value` is no mapping or has nothing in it */
  static of(value: unknown, path: string, problems: string[]): Section | undefined {
    const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isMapping && Object.keys(value).length > 0) return new Section(path, new Map(Object.entries(value)), problems);
    const what = path === '' ? 'it' : path;
    const isEmpty = isMapping || value === '' || value === null;
    problems.push(isEmpty ? `${what} is there, but has nothing in it` : `${what} must be a mapping`);
    return undefined;
  }

  get keys(): readonly string[] {
    return [...this.#entries.keys()];
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  section(key: string): Section | undefined {
    return this.#read(key, (value) => Section.of(value, this.at(key), this.problems));
  }

  text(key: string): string | undefined {
    return this.#read(key, (value) => {
      if (typeof value === 'string') return value;
      this.wrong(key, 'must be a text');
      return undefined;
    });
  }

  flag(key: string, byDefault: boolean): boolean {
    const text = this.text(key);
    if (text !== undefined && text !== 'true' && text !== 'false') this.wrong(key, 'must be true or false');
    return text === undefined ? byDefault : text === 'true';
  }

  choice<Choice extends string>(key: string, choices: readonly Choice[], byDefault: Choice): Choice {
    const text = this.text(key);
    if (text === undefined) return byDefault;
    const choice = choices.find((one) => one === text);
    if (choice === undefined) this.wrong(key, `is ${quote(text)}; it must be one of ${choices.join(', ')}`);
    return choice ?? byDefault;
  }

  /** A list must not be empty. */
  list(key: string): readonly string[] | undefined {
    return this.#read(key, (value) => {
      if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && one !== '')) {
        return value as string[];
      }
      this.wrong(key, 'must be a list of texts');
      return undefined;
    });
  }

  /** Every key that was not read is a problem: nothing may be ignored silently. */
  end(): void {
    for (const key of this.keys.filter((one) => !this.#known.has(one))) {
      const near = nearest(key, this.#known);
      this.problems.push(`${quote(this.at(key))} is not known${near === undefined ? '' : `; did you mean ${near}?`}`);
    }
  }

  wrong(key: string, what: string): void {
    this.problems.push(`${this.at(key)} ${what}`);
  }

  at(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  #read<Value>(key: string, read: (value: unknown) => Value | undefined): Value | undefined {
    this.#known.add(key);
    return this.#entries.has(key) ? read(this.#entries.get(key)) : undefined;
  }
}
