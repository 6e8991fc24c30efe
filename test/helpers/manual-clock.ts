import type { TestContext } from 'node:test';

/** Timers and time that stand still until a test moves them. */
export interface ManualClock {
  /** Milliseconds; never goes back. */
  readonly now: () => number;
  advance(ms: number): void;
}

export function manualClock(t: TestContext): ManualClock {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_769_860_800_000 });
  return { now: () => Date.now(), advance: (ms) => t.mock.timers.tick(ms) };
}
