import type { Moved } from '../../metrics/move-metrics.js';
import { parseTraceHistograms, type HistogramEntry } from '../../wire/trace-histogram.js';
import { MOVE_SUMS, type MoveSum, type Tracefs } from './tracefs.js';

interface Sums {
  readonly moves: number;
  readonly bytes: number;
}

const NAMES = Object.keys(MOVE_SUMS) as MoveSum[];
const NOTHING: Sums = { moves: 0, bytes: 0 };

/**
 * The sums that the kernel keeps of moved buffers for one instance, so that no move costs the exporter anything. They begin at 0 with
 * each load of the driver, and an exporter that was killed leaves its own: what was there at the first look is not counted.
 */
export class MoveSums {
  readonly #tracefs: Tracefs;
  readonly #instance: string;
  /** At the last look, by sum and PCI address; undefined before the first. */
  #last: ReadonlyMap<string, Sums> | undefined;

  constructor(tracefs: Tracefs, instance: string) {
    this.#tracefs = tracefs;
    this.#instance = instance;
  }

  /** Has the kernel sum up, unless it does. @throws the errno of a kernel that cannot */
  setUp(): void {
    for (const sum of NAMES) this.#tracefs.keepSum(this.#instance, sum);
    this.#last ??= this.#read();
  }

  /** Has the kernel sum up no more. */
  end(): void {
    for (const sum of NAMES) this.#tracefs.forgetSum(this.#instance, sum);
  }

  /** What has moved since the last look, by PCI address; undefined while the kernel does not sum up. */
  take(): ReadonlyMap<string, Moved> | undefined {
    const sums = this.#read();
    const last = this.#last ?? new Map<string, Sums>();
    this.#last = sums ?? new Map<string, Sums>();
    if (sums === undefined) return undefined;
    const since = (sum: MoveSum, pciBdf: string): Sums => {
      const [now, before] = [sums, last].map((of) => of.get(keyOf(sum, pciBdf)) ?? NOTHING) as [Sums, Sums];
      // The driver was loaded again: it began at 0.
      if (now.bytes < before.bytes) return now;
      return { moves: now.moves - before.moves, bytes: now.bytes - before.bytes };
    };
    return new Map(
      [...sums.keys()].map((key) => {
        const pciBdf = key.slice(key.indexOf(' ') + 1);
        const { moves: evictions, bytes: evictedBytes } = since('evicted', pciBdf);
        return [pciBdf, { evictions, evictedBytes, restoredBytes: since('restored', pciBdf).bytes }];
      }),
    );
  }

  #read(): ReadonlyMap<string, Sums> | undefined {
    const text = this.#tracefs.sums(this.#instance);
    if (text === undefined) return undefined;
    const sums = new Map<string, Sums>();
    for (const { trigger, entries } of parseTraceHistograms(text)) {
      const sum = NAMES.find((name) => trigger.includes(` if ${MOVE_SUMS[name]} [`));
      // Left by an exporter that summed up something else.
      if (sum === undefined) continue;
      for (const entry of entries) sums.set(keyOf(sum, entry.keys.get('device_id') ?? ''), sumsOf(entry));
    }
    return sums;
  }
}

function keyOf(sum: MoveSum, pciBdf: string): string {
  return `${sum} ${pciBdf}`;
}

function sumsOf({ sums }: HistogramEntry): Sums {
  return { moves: sums.get('hitcount') ?? 0, bytes: sums.get('size') ?? 0 };
}
