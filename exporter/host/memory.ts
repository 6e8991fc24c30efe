import type { XeDevice } from './device.js';

/** One memory region of a device, e.g. `vram0`. */
export interface RegionMemory {
  readonly region: string;
  /** undefined where the kernel does not report it: older kernels require CAP_PERFMON for the query. */
  readonly usedBytes: number | undefined;
  readonly sizeBytes: number;
}

/** What one client holds in one region (drm-resident-<region> of fdinfo, Documentation/gpu/drm-usage-stats.rst), in bytes. */
export interface ClientRegionMemory {
  readonly region: string;
  readonly residentBytes: number;
}

export interface ClientMemory {
  readonly drmClientId: number;
  /**
   * The owner as shown to people: `namespace/pod/container`, a unit, a job or a process; no more than the log may
   * disclose.
   */
  readonly owner: string;
  readonly regions: readonly ClientRegionMemory[];
}

/** The owner of a process as shown to people, and the bytes that were moved out of the device when it asked for memory. */
export interface EvictedFor {
  readonly owner: string;
  readonly bytes: number;
}

/** Who held the memory of a device at one moment. */
export interface MemorySnapshot {
  readonly device: XeDevice;
  /** CLOCK_REALTIME of the reading, nanoseconds. */
  readonly realtimeNs: bigint;
  /** Its age in milliseconds when it was attached to an event; 0 for one taken for that event. */
  readonly ageMs: number;
  readonly regions: readonly RegionMemory[];
  /**
   * The victim; every candidate where it is not known; or all clients when asked for. Only those that could be read.
   */
  readonly clients: readonly ClientMemory[];
  /** Whether `clients` is everybody that has the device open, and the log may name them. */
  readonly everyClient: boolean;
  /** For whose requests the driver moved buffers out of the device lately, the most first; empty unless the log may name others. */
  readonly evictedFor: readonly EvictedFor[];
}
