/** How far printk's clock and CLOCK_MONOTONIC drift apart at most, one part in so many: 100 ppm. */
const DRIFT = 10_000n;
/** What they may differ by from the start, and how late a line may be read and still say something about the clocks. */
const SLACK_NS = 1_000_000_000n;

/**
 * When a line of the kernel log was printed, on CLOCK_MONOTONIC. printk stamps with the scheduler's clock (kernel/printk/printk.c): it
 * starts with the boot as CLOCK_MONOTONIC does, but NTP does not correct it, and at 10 ppm they are a second apart after a day.
 * Without the correction the log would stop agreeing with other sources after days. The least age that a line had when it
 * was read is the difference of the clocks, because most lines are read as soon as they are printed.
 */
export class LogClock {
  #differenceNs = 0n;
  #learnedAt: bigint | undefined;

  /**
   * @param stampNs time of the line by its own clock; @param readAtNs CLOCK_MONOTONIC when it was read
   * @returns never later than the read; the read for a stamp that neither clock can have given
   */
  toMonotonic(stampNs: bigint, readAtNs: bigint): bigint {
    const age = readAtNs - stampNs;
    const bound = SLACK_NS + readAtNs / DRIFT;
    if (age < -bound) return readAtNs;
    // A line that was read long after it was printed says nothing about the clocks.
    if (age <= bound) this.#learn(age, readAtNs);
    const printedAt = stampNs + this.#differenceNs;
    return printedAt < readAtNs ? printedAt : readAtNs;
  }

  #learn(age: bigint, at: bigint): void {
    const drifted = this.#differenceNs + (at - (this.#learnedAt ?? at)) / DRIFT;
    this.#differenceNs = this.#learnedAt === undefined || age < drifted ? age : drifted;
    this.#learnedAt = at;
  }
}
