import type { Moved } from '../../metrics/move-metrics.js';
import { parseTraceHistograms, type HistogramEntry, type TraceHistogram } from '../../wire/trace-histogram.js';
import { MOVE_SUMS, type MoveSum, type Tracefs } from './tracefs.js';

/** What has moved since the last look. */
export interface BufferMoves {
  /** By PCI address; a device that never moved anything is not in it. */
  readonly moved: ReadonlyMap<string, Moved>;
  readonly asked: readonly AskedEviction[];
}

/** Buffers were moved out of a device because a thread asked for memory. */
export interface AskedEviction {
  readonly pciBdf: string;
  readonly tid: number;
  readonly bytes: number;
}

interface Sum {
  readonly moves: number;
  readonly bytes: number;
}

/** By the keys of the kernel's sum, joined. */
type Sums = Readonly<Record<MoveSum, ReadonlyMap<string, Sum>>>;

const NAMES = Object.keys(MOVE_SUMS) as MoveSum[];
const NOTHING: Sum = { moves: 0, bytes: 0 };
const NO_SUMS: Sums = { evicted: new Map(), restored: new Map(), asked: new Map() };

/**
 * The sums that the kernel keeps of moved buffers for one instance, so that no move costs the exporter anything. They begin at 0 with
 * each load of the driver, and an exporter that was killed leaves its own: what was there at the first look is not counted.
 *
 * Only where somebody asked for it: a trigger keeps its probe on the tracepoint when the module goes, for which the kernel warns
 * (kernel/tracepoint.c, seen on Linux 6.12 and 7.3).
 */
export class MoveSums {
  readonly #tracefs: Tracefs;
  readonly #instance: string;
  /** At the last look; undefined before the first. */
  #last: Sums | undefined;

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

  /** undefined while the kernel does not sum up: the driver is not loaded. */
  take(): BufferMoves | undefined {
    const sums = this.#read();
    const last = this.#last ?? NO_SUMS;
    this.#last = sums ?? NO_SUMS;
    if (sums === undefined) return undefined;
    if (sums.asked.size > MOVE_SUMS.asked.size / 2) this.#emptyAsked();
    const since = (sum: MoveSum, key: string): Sum => difference(sums[sum].get(key), last[sum].get(key));
    const devices = [...new Set([...sums.evicted.keys(), ...sums.restored.keys()])];
    const moved = devices.map((pciBdf) => {
      const { moves: evictions, bytes: evictedBytes } = since('evicted', pciBdf);
      return [pciBdf, { evictions, evictedBytes, restoredBytes: since('restored', pciBdf).bytes }] as const;
    });
    const asked = [...sums.asked.keys()].map((key) => {
      const [pciBdf = '', tid] = key.split(' ');
      return { pciBdf, tid: Number(tid), bytes: since('asked', key).bytes };
    });
    return { moved: new Map(moved), asked: asked.filter(({ bytes }) => bytes > 0) };
  }

  /** Threads come and go, and none leaves the kernel's table by itself. */
  #emptyAsked(): void {
    this.#tracefs.forgetSum(this.#instance, 'asked');
    this.#tracefs.keepSum(this.#instance, 'asked');
    this.#last = { ...(this.#last ?? NO_SUMS), asked: new Map() };
  }

  #read(): Sums | undefined {
    const text = this.#tracefs.sums(this.#instance);
    if (text === undefined) return undefined;
    const histograms = parseTraceHistograms(text);
    const sumsOf = (sum: MoveSum): ReadonlyMap<string, Sum> =>
      new Map(histograms.find((one) => isOf(sum, one))?.entries.map((entry) => [keyOf(entry), sumOf(entry)]));
    return { evicted: sumsOf('evicted'), restored: sumsOf('restored'), asked: sumsOf('asked') };
  }
}

/** The kernel repeats keys and filter as they were written, and adds to the rest. */
function isOf(sum: MoveSum, { trigger }: TraceHistogram): boolean {
  const { keys, filter } = MOVE_SUMS[sum];
  return trigger.startsWith(`hist:keys=${keys}:`) && trigger.includes(` if ${filter} [`);
}

function keyOf({ keys }: HistogramEntry): string {
  return [...keys.values()].join(' ');
}

function sumOf({ sums }: HistogramEntry): Sum {
  return { moves: sums.get('hitcount') ?? 0, bytes: sums.get('size') ?? 0 };
}

/** A sum that is smaller than before has begun at 0 again: the driver was loaded again. */
function difference(now: Sum = NOTHING, before: Sum = NOTHING): Sum {
  return now.bytes < before.bytes ? now : { moves: now.moves - before.moves, bytes: now.bytes - before.bytes };
}
