import { ReportLedger } from './report-ledger.js';
import type { ReportPairing } from './report-pairing.js';

/** A bare report and a fuller one within the window make one incident: the k-th of the one side and the k-th of the other. */
export class OneToOne implements ReportPairing {
  readonly #bare: ReportLedger;
  readonly #full: ReportLedger;
  newest = -1;

  constructor(windowMs: number) {
    this.#bare = new ReportLedger(windowMs);
    this.#full = new ReportLedger(windowMs);
  }

  get empty(): boolean {
    return this.#bare.empty && this.#full.empty;
  }

  get ages(): boolean {
    return !this.empty;
  }

  known(bare: boolean, at: number): number | undefined {
    const counterpart = (bare ? this.#full : this.#bare).take(at);
    if (counterpart !== undefined) return counterpart;
    const number = (bare ? this.#bare : this.#full).add(at);
    if (bare) this.newest = number;
    return undefined;
  }

  ended(): void {
    // Whether the device is bound does not matter here.
  }

  forget(now: number): void {
    this.#bare.forget(now);
    this.#full.forget(now);
  }
}
