import { setTimeout as delay } from 'node:timers/promises';

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
  { deadlineMs = 5_000, what }: WaitOptions,
): Promise<Exclude<Value, false | null | undefined | 0 | ''>> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<Value, false | null | undefined | 0 | ''>;
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await delay(2);
  }
}
