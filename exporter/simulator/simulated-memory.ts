import type { XeClient } from '../clients/client.js';
import type { XeDevice } from '../host/device.js';
import type { ClientRegionMemory, RegionMemory } from '../host/memory.js';
import type { MemoryItem, MemoryReader, MemoryReadHandlers } from '../memory/memory-reader.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** An Arc B580 in a machine with 64 GiB. */
const VRAM_BYTES = 12 * GIB;
const HOST_BYTES = 64 * GIB;
/** What the driver itself needs. */
const DRIVER_BYTES = 280 * MIB;
/** What a client has in host memory for the GPU, and shares of that with a display. */
const GTT_BYTES = 96 * MIB;

/** The share of its initial memory by which a job grows per second while there is room. */
const GROWTH_PER_SECOND = 0.02;
/** What is left of the memory of a job that takes a smaller batch. */
const SHRINK_TO = 0.75;
/** How long a job keeps its memory after running out, and how long an exited job is remembered. */
const KEPT_FOR_MS = 1_000;

interface Holding {
  readonly device: XeDevice;
  /** What it started with, or needs at least. */
  first: number;
  /** What it can shrink to. */
  readonly least: number;
  bytes: number;
  /** When it falls back to what it began with, or is forgotten: of the clock of {@link SimulatedMemory}. */
  releasedAt: number;
  left: boolean;
}

/** The memory of the simulated GPUs: jobs grow until one runs out. Deterministic, like the node. */
export class SimulatedMemory implements MemoryReader {
  readonly #holdings = new Map<number, Holding>();
  #now = 0;

  arrive({ drmClientId, device }: XeClient, bytes: number): void {
    const now = Math.min(bytes, this.#free(device));
    this.#holdings.set(drmClientId, {
      device,
      first: bytes,
      least: bytes / 2,
      bytes: now,
      releasedAt: Infinity,
      left: false,
    });
  }

  /** It keeps its memory for a moment, like a process being torn down. */
  leave({ drmClientId }: XeClient): void {
    const holding = this.#holdings.get(drmClientId);
    if (holding) Object.assign(holding, { left: true, releasedAt: this.#now + KEPT_FOR_MS });
  }

  /** Advances the clock. */
  grow(ms: number): void {
    this.#now += ms;
    for (const [id, holding] of this.#holdings) {
      if (this.#now >= holding.releasedAt) {
        if (holding.left) this.#holdings.delete(id);
        Object.assign(holding, { bytes: Math.min(holding.first, holding.bytes), releasedAt: Infinity });
      } else if (holding.releasedAt === Infinity) {
        // One that started when there was little room catches up.
        const wanted = Math.max(holding.first - holding.bytes, (holding.first * GROWTH_PER_SECOND * ms) / 1000);
        holding.bytes += Math.min(wanted, this.#free(holding.device));
      }
    }
  }

  /** It took everything and wanted more. */
  runOut({ drmClientId, device }: XeClient): void {
    const holding = this.#holdings.get(drmClientId);
    if (holding === undefined) return;
    holding.bytes += this.#free(device);
    holding.releasedAt = this.#now + KEPT_FOR_MS;
  }

  /** It goes on with less than it began with, down to a half. */
  shrink({ drmClientId }: XeClient): void {
    const holding = this.#holdings.get(drmClientId);
    if (holding) holding.first = Math.max(holding.least, holding.first * SHRINK_TO);
  }

  /** Answers with the current state, in the next turn. */
  read(device: XeDevice, items: readonly MemoryItem[], { onResult, onEnd }: MemoryReadHandlers): () => void {
    const results = items.map((item) => [item, this.#ask(device, item)] as const);
    setImmediate(() => {
      for (const [item, result] of results) onResult(item, result);
      onEnd();
    });
    return () => undefined;
  }

  #ask(device: XeDevice, item: MemoryItem): readonly RegionMemory[] | readonly ClientRegionMemory[] {
    if (item !== 'regions') return held(this.#holdings.get(item.client.drmClientId)?.bytes ?? 0);
    const clients = [...this.#holdings.values()].filter((holding) => holding.device === device).length;
    return [
      { region: 'vram0', usedBytes: VRAM_BYTES - Math.floor(this.#free(device)), sizeBytes: VRAM_BYTES },
      { region: 'gtt', usedBytes: clients * GTT_BYTES, sizeBytes: HOST_BYTES },
    ];
  }

  #free(device: XeDevice): number {
    let free = VRAM_BYTES - DRIVER_BYTES;
    for (const holding of this.#holdings.values()) if (holding.device === device) free -= holding.bytes;
    return Math.max(0, free);
  }
}

function held(bytes: number): ClientRegionMemory[] {
  return [
    { region: 'vram0', residentBytes: Math.floor(bytes) },
    { region: 'gtt', residentBytes: GTT_BYTES },
  ];
}
