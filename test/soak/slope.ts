/** One sample of a number that must not grow. */
export interface Sample {
  /** Seconds since the start. */
  readonly at: number;
  readonly value: number;
}

/** The slope of most pairs of samples (Theil and Sen), per second: a burst does not move it, a leak does. */
export function slope(samples: readonly Sample[]): number {
  const slopes = samples.flatMap((one, index) =>
    samples.slice(index + 1).map((other) => (other.value - one.value) / (other.at - one.at)),
  );
  return median(slopes);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
