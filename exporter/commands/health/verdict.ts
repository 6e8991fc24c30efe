import { verdictOf, type HealthCause, type Verdict } from '../../events/device-health.js';
import type { DeviceHealthState } from '../../names.js';

/** What was found out about one GPU. */
export interface Finding {
  readonly pciBdf: string;
  readonly state: DeviceHealthState;
  /** Since when, ISO 8601; undefined when nobody knows. */
  readonly since: string | undefined;
  readonly cause: HealthCause | undefined;
  /** What is wrong, as one sentence; empty when nothing is. */
  readonly what: string;
  readonly advice: string;
}

/** The worst that is said of any of them; nothing is known of a node without a GPU. */
export function worst(findings: readonly Finding[]): Verdict {
  const verdicts = findings.map(verdictOf);
  if (verdicts.includes('unfit')) return 'unfit';
  return verdicts.length === 0 || verdicts.includes('unknown') ? 'unknown' : 'fit';
}

/** One line that says why: of the first GPU with the worst verdict. */
export function reasonOf(findings: readonly Finding[]): string {
  const verdict = worst(findings);
  const [first] = findings.filter((finding) => verdictOf(finding) === verdict);
  if (first === undefined) return 'unknown: this node has no GPU that is bound to the xe driver.';
  if (verdict === 'fit') {
    const faulting = findings.find(({ state }) => state === 'faulting');
    if (faulting !== undefined) return `fit: ${faulting.what} ${faulting.advice}`.trimEnd();
    return `fit: ${findings.map(({ pciBdf }) => pciBdf).join(', ')} can take work.`;
  }
  return [`${verdict}: ${first.what}`, first.advice].join(' ').trimEnd();
}
