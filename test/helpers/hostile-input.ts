import assert from 'node:assert/strict';

const ATTEMPTS = 10;

/**
 * Asserts that work takes time in proportion to its input: eight times the input, and nowhere near sixty-four times the time, as it
 * would be if something were quadratic. No absolute times: the machine may be busy.
 *
 * @param prepare makes the work for an input of that size, outside of what is timed
 */
export function assertLinear(what: string, prepare: (size: number) => () => void, size = 8_192): void {
  const seen: string[] = [];
  // Whoever takes the processor away for a while does so once or twice; what is quadratic is so each time.
  while (seen.length < ATTEMPTS) {
    const [short, long] = [size, 8 * size].map((each) => fastestOf(5, prepare(each)));
    // A fraction of a millisecond is noise.
    if (long! < 32 * Math.max(short!, 0.25)) return;
    seen.push(`${short} ms, then ${long} ms`);
  }
  assert.fail(`${what}: ${seen.join('; ')}`);
}

function fastestOf(times: number, work: () => void): number {
  const took = Array.from({ length: times }, () => {
    const begin = performance.now();
    work();
    return performance.now() - begin;
  });
  return Math.min(...took);
}
