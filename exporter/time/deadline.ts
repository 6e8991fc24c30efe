import { setMaxListeners } from 'node:events';

/** What {@link withDeadline} resolves with when the work was not done in time. */
export const TIMED_OUT = Symbol('timed out');

/**
 * The result of `work`, or {@link TIMED_OUT} once the deadline has passed or `signal` is aborted. The work itself goes on; only
 * the waiting ends. No timer outlives the result.
 */
export function withDeadline<T>(
  deadlineMs: number,
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<T | typeof TIMED_OUT> {
  let end: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<typeof TIMED_OUT>((resolve) => {
    end = () => resolve(TIMED_OUT);
    timer = setTimeout(end, Math.max(0, deadlineMs));
    // Many may wait for one signal; each takes its listener away again.
    if (signal) setMaxListeners(0, signal);
    signal?.addEventListener('abort', end);
  });
  return Promise.race([work, timedOut]).finally(() => {
    clearTimeout(timer);
    if (end) signal?.removeEventListener('abort', end);
  });
}
