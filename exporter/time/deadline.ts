/** What {@link before} resolves with when the time was up first. */
export const LATE = Symbol('late');

/**
 * The result of `work`, or {@link LATE} when it was not there in time or `signal` was aborted. The work itself goes on: what is
 * given up is the waiting. No timer outlives the result.
 */
export function before<T>(deadlineMs: number, work: Promise<T>, signal?: AbortSignal): Promise<T | typeof LATE> {
  let late: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<typeof LATE>((resolve) => {
    late = () => resolve(LATE);
    timer = setTimeout(late, Math.max(0, deadlineMs));
    signal?.addEventListener('abort', late);
  });
  return Promise.race([work, timeUp]).finally(() => {
    clearTimeout(timer);
    if (late) signal?.removeEventListener('abort', late);
  });
}
