/** A process that holds no GPU file is skipped at most this many times before it is scanned again. */
const MOST_SKIPS = 32;

interface GpuFree {
  readonly startTime: number;
  readonly openFiles: number;
  readonly skips: number;
  left: number;
}

/**
 * The processes known to hold no GPU file: most of a node. They are scanned again after 1, 2, 4, ... scans, and at once
 * when their number of open files has changed (reported by Linux 6.2 and later).
 */
export class GpuFreeProcesses {
  #known = new Map<number, GpuFree>();

  /** Those to leave out of the next scan, in the form of `DrmFdScan.gpuFree`. */
  toSkip(): Float64Array {
    const numbers: number[] = [];
    for (const [pid, { startTime, openFiles, left }] of this.#known) {
      if (left > 0) numbers.push(pid, startTime, openFiles);
    }
    return Float64Array.from(numbers);
  }

  /** Takes the result of the scan that left out {@link toSkip}. Processes not in it are forgotten. */
  update(gpuFree: Float64Array): void {
    const before = this.#known;
    this.#known = new Map();
    for (let i = 0; i + 2 < gpuFree.length; i += 3) {
      const [pid, startTime, openFiles] = [gpuFree[i]!, gpuFree[i + 1]!, gpuFree[i + 2]!];
      this.#known.set(pid, next(before.get(pid), startTime, openFiles));
    }
  }

  /** What counts as a GPU file has changed. */
  clear(): void {
    this.#known.clear();
  }
}

function next(before: GpuFree | undefined, startTime: number, openFiles: number): GpuFree {
  if (before?.startTime !== startTime) return { startTime, openFiles, skips: 1, left: 1 };
  if (before.left > 0 && before.openFiles === openFiles) return { ...before, left: before.left - 1 };
  const skips = Math.min(before.skips * 2, MOST_SKIPS);
  return { startTime, openFiles, skips, left: skips };
}
