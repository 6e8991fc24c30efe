import type { XeDevice } from './device.js';

/** One memory region of a device, e.g. `vram0`. */
export interface RegionMemory {
  readonly region: string;
  readonly usedBytes: number;
  readonly sizeBytes: number;
}

/** What one client holds in one region (drm-*-<region> of fdinfo, Documentation/gpu/drm-usage-stats.rst), in bytes. */
export interface ClientRegionMemory {
  readonly region: string;
  readonly residentBytes: number;
  readonly totalBytes: number;
  readonly sharedBytes: number;
  readonly purgeableBytes: number;
}

export interface ClientMemory {
  readonly drmClientId: number;
  readonly regions: readonly ClientRegionMemory[];
}

/** Who held the memory of a device at one moment. */
export interface MemorySnapshot {
  readonly device: XeDevice;
  /** CLOCK_REALTIME of the reading, nanoseconds. */
  readonly realtimeNs: bigint;
  /** How old it was when it was put to an event, in milliseconds; 0 for one that was taken for it. */
  readonly ageMs: number;
  readonly regions: readonly RegionMemory[];
  readonly clients: readonly ClientMemory[];
}
