import type { TestContext } from 'node:test';

/** Timers and time that stand still until a test moves them. */
export interface ManualClock {
  /** Milliseconds; never goes back. */
  readonly now: () => number;
  /** Time passes, and timers run when they are due, give or take {@link PUNCTUAL_MS}. */
  advance(ms: number): void;
  /** Time passes, and none of the process runs meanwhile. */
  stall(ms: number): void;
}

const PUNCTUAL_MS = 40;
/** Over hours, timers may be later. */
const MOST_TICKS = 1_500;

export function manualClock(t: TestContext): ManualClock {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_769_860_800_000 });
  const stall = (ms: number): void => t.mock.timers.tick(ms);
  const advance = (ms: number): void => {
    const piece = Math.max(PUNCTUAL_MS, Math.ceil(ms / MOST_TICKS));
    for (let left = ms; left > 0; left -= piece) stall(Math.min(piece, left));
  };
  return { now: () => Date.now(), advance, stall };
}
