import type { FeatureName, FeatureState } from './names.js';

/** Where one feature stands on this node, and what to do when it is not active. */
export interface FeatureReport {
  readonly feature: FeatureName;
  readonly state: FeatureState;
  /** What was seen, in one clause; empty when active and there is nothing to say. */
  readonly reason: string;
  /** What an operator can do; empty when nothing. */
  readonly fix: string;
}

/** Called once for every change of a feature's report, never for a repetition. */
export type FeatureListener = (report: FeatureReport) => void;

/** The board every stage reports to, read by /metrics, doctor, the landing page and the log. */
export class FeatureBoard {
  readonly #reports = new Map<FeatureName, FeatureReport>();
  readonly #listeners: FeatureListener[] = [];

  /** Registers a listener and tells it what is known already. */
  subscribe(listener: FeatureListener): void {
    this.#listeners.push(listener);
    for (const report of this.#reports.values()) listener(report);
  }

  report(feature: FeatureName, state: FeatureState, reason = '', fix = ''): void {
    const before = this.#reports.get(feature);
    if (before?.state === state && before.reason === reason) return;
    const report = { feature, state, reason, fix };
    this.#reports.set(feature, report);
    for (const listener of this.#listeners) listener(report);
  }

  all(): readonly FeatureReport[] {
    return [...this.#reports.values()];
  }
}
