import type { ClientEntry } from '../../exporter/clients/client-table.js';
import type { XeDevice } from '../../exporter/host/device.js';
import type { ClientRegionMemory, RegionMemory } from '../../exporter/host/memory.js';
import type {
  MemoryItem,
  MemoryReader,
  MemoryReadHandlers,
  MemoryResult,
} from '../../exporter/memory/memory-reader.js';

export const GIB = 1024 ** 3;

export function inVram(residentBytes: number): ClientRegionMemory[] {
  return [{ region: 'vram0', residentBytes }];
}

export function vram0(usedBytes: number | undefined, sizeBytes = 12 * GIB): RegionMemory[] {
  return [{ region: 'vram0', usedBytes, sizeBytes }];
}

interface Run {
  readonly device: XeDevice;
  readonly items: MemoryItem[];
  readonly handlers: MemoryReadHandlers;
  cancelled: boolean;
}

/** Stands for the thread that reads: a test says what comes when. */
export class ManualReader implements MemoryReader {
  /** Everything that was begun, by what a test calls it. */
  readonly begun: string[] = [];
  /** What it answers; a client that is not there is gone. */
  readonly holds = new Map<MemoryItem, MemoryResult>([['regions', vram0(6 * GIB)]]);
  readonly #runs: Run[] = [];
  mostAtOnce = 0;

  read(device: XeDevice, items: readonly MemoryItem[], handlers: MemoryReadHandlers): () => void {
    const run = { device, items: [...items], handlers, cancelled: false };
    this.#runs.push(run);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#runs.filter((other) => other.device === device).length);
    return () => (run.cancelled = true);
  }

  get idle(): boolean {
    return this.#runs.length === 0;
  }

  /** Answers one item of the read under way. */
  answer(): void {
    const [run] = this.#runs;
    const item = run?.items.shift();
    if (run === undefined || item === undefined) throw new Error('nothing is being read');
    if (!run.cancelled) this.begun.push(nameOf(item));
    const gone = { operation: 'identity', errno: 3 };
    const cancelled = { operation: 'cancelled', errno: 125 };
    run.handlers.onResult(item, run.cancelled ? cancelled : (this.holds.get(item) ?? gone));
    if (run.items.length > 0) return;
    this.#runs.shift();
    run.handlers.onEnd();
  }

  /** Answers everything that was begun and what follows from it. */
  finish(): void {
    while (!this.idle) this.answer();
  }
}

function nameOf(item: MemoryItem): string {
  return item === 'regions' ? item : String((item satisfies ClientEntry).client.drmClientId);
}
