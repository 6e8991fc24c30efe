import type { Merging } from '../../events/device-event.js';
import { OneToOne } from './one-to-one.js';
import { UntilBound } from './until-bound.js';

/** Which reports of one kind of incident are of the same incident. Those that a bare report opens have numbers, which only grow. */
export interface ReportPairing {
  /**
   * Takes note of a report.
   *
   * @param at when it happened, milliseconds
   * @returns undefined when it is the first of its incident; of a later one that is fuller, the number of the incident
   */
  known(bare: boolean, at: number): number | undefined;
  /** The number of the incident that a bare report opened last. */
  readonly newest: number;
  /** The driver has let go of the device, or has bound to it. */
  ended(now: number): void;
  forget(now: number): void;
  /** Whether nothing has to be remembered, and whether that changes by itself. */
  readonly empty: boolean;
  readonly ages: boolean;
}

export function reportPairing({ by }: Merging, windowMs: number): ReportPairing {
  return by === 'one_to_one' ? new OneToOne(windowMs) : new UntilBound(windowMs);
}
