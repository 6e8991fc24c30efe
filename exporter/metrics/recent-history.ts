/** How far back the history goes, and its step, in milliseconds. */
export const HISTORY_MS = 15 * 60_000;
const STEP_MS = 15_000;

/** How a device is at one moment. */
export interface DeviceMoment {
  /** Used share of its memory, 0 to 1; undefined where it is not known. */
  readonly usedShare: number | undefined;
  /** Counters of its errors. */
  readonly errors: readonly number[];
}

/** A step of the history of a device. */
export interface HistoryStep {
  /** How long ago it ended. */
  readonly ageMs: number;
  /** At its end. */
  readonly usedShare: number | undefined;
  /** By how much each counter of errors grew within it. */
  readonly errors: readonly number[];
}

interface Sample extends DeviceMoment {
  readonly at: number;
}

/** The last quarter of an hour of each device, for who has no Prometheus at hand. It reads what is known, at intervals, and asks no device. */
export class RecentHistory {
  readonly #moments: () => ReadonlyMap<string, DeviceMoment>;
  readonly #now: () => number;
  readonly #samples = new Map<string, Sample[]>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param moments of the devices there are now, by PCI address
   * @param now milliseconds of a clock that never goes back
   */
  constructor(moments: () => ReadonlyMap<string, DeviceMoment>, now: () => number = () => performance.now()) {
    this.#moments = moments;
    this.#now = now;
  }

  start(): void {
    this.sample();
    this.#timer = setInterval(() => this.sample(), STEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Takes down how every device is now. */
  sample(): void {
    const at = this.#now();
    for (const [pciBdf, moment] of this.#moments()) {
      const samples = this.#samples.get(pciBdf) ?? [];
      this.#samples.set(pciBdf, samples);
      samples.push({ at, ...moment });
    }
    for (const [pciBdf, samples] of this.#samples) {
      while (samples[0] && at - samples[0].at > HISTORY_MS) samples.shift();
      if (samples.length === 0) this.#samples.delete(pciBdf);
    }
  }

  /** Oldest first; the last step ends now. */
  of(pciBdf: string): readonly HistoryStep[] {
    const now = this.#now();
    const current = this.#moments().get(pciBdf);
    const samples = [...(this.#samples.get(pciBdf) ?? []), ...(current ? [{ at: now, ...current }] : [])];
    return samples.slice(1).map(({ at, usedShare, errors }, index) => ({
      ageMs: now - at,
      usedShare,
      errors: errors.map((count, kind) => Math.max(0, count - (samples[index]!.errors[kind] ?? 0))),
    }));
  }
}
