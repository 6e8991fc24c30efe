import type { ClientRegionMemory } from './memory.js';

/** Far more regions than a device has: system, gtt, vram0, vram1, stolen. */
const MOST_REGIONS = 16;

const LINE = /^drm-(total|shared|resident|purgeable)-([a-z][a-z0-9_]{0,31}):[ \t]*(\d{1,16})(?: (KiB|MiB))?[ \t]*$/gm;

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2 };

type Bytes = { -readonly [Key in Exclude<keyof ClientRegionMemory, 'region'>]: number };

/**
 * The memory of a client from its fdinfo (drm_print_memory_stats, Linux 7.2): bytes, or KiB or MiB where that is exact. A region
 * that lacks a line, as purgeable mostly does, has 0 there; what cannot be a size counts as not there.
 */
export function parseFdinfoMemory(text: string): ClientRegionMemory[] {
  const regions = new Map<string, Bytes>();
  for (const [, kind, region = '', digits, unit] of text.matchAll(LINE)) {
    const bytes = Number(digits) * (UNITS[unit ?? ''] ?? 1);
    if (!Number.isSafeInteger(bytes) || (!regions.has(region) && regions.size >= MOST_REGIONS)) continue;
    const known = regions.get(region) ?? { residentBytes: 0, totalBytes: 0, sharedBytes: 0, purgeableBytes: 0 };
    known[`${kind as 'total' | 'shared' | 'resident' | 'purgeable'}Bytes`] = bytes;
    regions.set(region, known);
  }
  return [...regions].map(([region, bytes]) => ({ region, ...bytes }));
}
