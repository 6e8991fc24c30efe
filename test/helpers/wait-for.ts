import { setTimeout as delay } from 'node:timers/promises';
import { TIMED_OUT, withDeadline } from '../../exporter/time/deadline.js';

/** Even where the machine is busy with something else. */
const PATIENCE_MS = 60_000;
/** The same where what is wrong would end minutes later. */
const IN_TIME_MS = 20_000;

export interface WaitOptions {
  /** How long the condition may take, in milliseconds. */
  readonly deadlineMs?: number;
  /** What is waited for, as the failure names it. */
  readonly what: string;
}

/**
 * Waits until `condition` returns something truthy and returns that. Tests wait with this and never for a fixed time.
 * @throws Error when the deadline passes first, or whatever the condition throws.
 */
export async function waitFor<Value>(
  condition: () => Value | Promise<Value>,
  { deadlineMs = PATIENCE_MS, what }: WaitOptions,
): Promise<Exclude<Value, false | null | undefined | 0 | ''>> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<Value, false | null | undefined | 0 | ''>;
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await delay(2);
  }
}

/**
 * The result of work that must end by itself, and would not, or only minutes later, if what is tested were wrong.
 * @throws Error when it has not ended by then
 */
export async function inTime<Value>(work: Promise<Value>, what: string): Promise<Value> {
  const result = await withDeadline(IN_TIME_MS, work);
  if (result === TIMED_OUT) throw new Error(`waited ${IN_TIME_MS} ms in vain for ${what}`);
  return result;
}
