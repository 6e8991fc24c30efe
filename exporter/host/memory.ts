import type { XeDevice } from './device.js';

/** One memory region of a device, e.g. `vram0`. */
export interface RegionMemory {
  readonly region: string;
  /** undefined where the kernel does not tell: the query of older kernels needs CAP_PERFMON for it. */
  readonly usedBytes: number | undefined;
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
  /** Who that is, for people: `namespace/pod/container`, a unit, a job or a process; as little as the log may say. */
  readonly owner: string;
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
  /** The victim or, where it was not known, all it can be, or all because they were asked for; as far as they could be read. */
  readonly clients: readonly ClientMemory[];
  /** Whether clients are all that have the device open, and the log may name them. */
  readonly everyClient: boolean;
}
