import type { RegionMemory } from './memory.js';

/**
 * A memory manager of the driver as debugfs prints it (`gtt_mm`, `tile0/vram_mm`; ttm_resource_manager_debug, Linux
 * 7.2): `size` in `unit` bytes, of pages for gtt and of one byte for VRAM, and `usage` in bytes.
 *
 * @returns undefined when the text is not of that form
 */
export function parseMemoryManager(text: string, region: string, unit = 1): RegionMemory | undefined {
  const size = number(text, 'size') * unit;
  const usedBytes = number(text, 'usage');
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(usedBytes)) return undefined;
  return { region, usedBytes, sizeBytes: size };
}

function number(text: string, key: string): number {
  return Number(new RegExp(`^[ \\t]*${key}:[ \\t]*(\\d{1,16})[ \\t]*$`, 'm').exec(text)?.[1] ?? NaN);
}

const HEADER_BYTES = 8;
const REGION_BYTES = 88;
const SYSTEM_MEMORY = 0;
const VRAM = 1;
/** More than any device has. */
const MOST_REGIONS = 16;

/**
 * The answer of DRM_IOCTL_XE_DEVICE_QUERY to DRM_XE_DEVICE_QUERY_MEM_REGIONS: {u32 count, u32 pad}, then a region each
 * {u16 class, u16 instance, u32 min_page_size, u64 total_size, u64 used, ...} of 88 bytes (struct drm_xe_mem_region,
 * Linux 7.2). System memory is what the driver calls gtt; instance 1 is vram0. Total: bytes of any form give the whole
 * regions they hold.
 *
 * The driver itself uses some memory, so a use of zero means that the kernel does not report it.
 */
export function parseMemoryRegions(bytes: Uint8Array): RegionMemory[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = Math.floor((bytes.byteLength - HEADER_BYTES) / REGION_BYTES);
  const count = whole > 0 ? Math.min(view.getUint32(0, true), whole, MOST_REGIONS) : 0;
  const regions = Array.from({ length: count }, (_, index) => HEADER_BYTES + index * REGION_BYTES).flatMap((at) => {
    const memoryClass = view.getUint16(at, true);
    const instance = view.getUint16(at + 2, true);
    const sizeBytes = Number(view.getBigUint64(at + 8, true));
    const usedBytes = Number(view.getBigUint64(at + 16, true));
    if (memoryClass !== SYSTEM_MEMORY && memoryClass !== VRAM) return [];
    if (!Number.isSafeInteger(sizeBytes) || !Number.isSafeInteger(usedBytes)) return [];
    return [{ region: memoryClass === VRAM ? `vram${Math.max(0, instance - 1)}` : 'gtt', sizeBytes, usedBytes }];
  });
  const isReported = regions.some(({ usedBytes }) => usedBytes > 0);
  return isReported ? regions : regions.map((region) => ({ ...region, usedBytes: undefined }));
}
