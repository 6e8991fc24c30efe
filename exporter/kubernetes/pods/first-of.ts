import type { PodDirectory, PodName, PodQuery } from './pod-directory.js';

/** Asks one directory, and falls back to another for what the first does not know (yet). */
export class FirstOf implements PodDirectory {
  readonly #first: PodDirectory;
  readonly #second: PodDirectory;

  constructor(first: PodDirectory, second: PodDirectory) {
    this.#first = first;
    this.#second = second;
  }

  lookup(query: PodQuery): PodName | undefined {
    const first = this.#first.lookup(query);
    if (first !== undefined && (first.container !== '' || query.containerId === '')) return first;
    // When both know half, the first one wins: its uid is the API's.
    const second = this.#second.lookup(query);
    return first && second ? { ...first, container: second.container } : (first ?? second);
  }

  async start(): Promise<void> {
    await Promise.all([this.#first.start(), this.#second.start()]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#first.stop(), this.#second.stop()]);
  }

  onChange(listener: () => void): void {
    this.#first.onChange(listener);
    this.#second.onChange(listener);
  }
}
