import type { ReportPairing } from './report-pairing.js';

/** Everything that is reported until the driver lets go of the device, or binds to it, is one incident. */
export class UntilBound implements ReportPairing {
  readonly #windowMs: number;
  #standing = false;
  /** What happened before that is a report of the incident that ended then. */
  #endedAt = -Infinity;
  newest = -1;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  get empty(): boolean {
    return !this.#standing && this.#endedAt === -Infinity;
  }

  get ages(): boolean {
    return this.#endedAt > -Infinity;
  }

  known(_bare: boolean, at: number): number | undefined {
    if (at < this.#endedAt) return this.#standing ? this.newest - 1 : this.newest;
    if (this.#standing) return this.newest;
    this.#standing = true;
    this.newest++;
    return undefined;
  }

  ended(now: number): void {
    if (!this.#standing) return;
    this.#standing = false;
    this.#endedAt = now;
  }

  forget(now: number): void {
    if (this.#endedAt < now - this.#windowMs) this.#endedAt = -Infinity;
  }
}
