import type { ClientRegionMemory } from './memory.js';

/** Far more regions than a device has: system, gtt, vram0, vram1, stolen. */
const MOST_REGIONS = 16;

const LINE = /^drm-(total|resident)-([a-z][a-z0-9_]{0,31}):[ \t]*(\d{1,16})(?: (KiB|MiB))?[ \t]*$/gm;

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2 };

/**
 * The memory of a client from its fdinfo (drm_print_memory_stats, Linux 7.2): bytes, or KiB or MiB where that is exact. A region with
 * a total and nothing resident has 0; what cannot be a size counts as not there.
 */
export function parseFdinfoMemory(text: string): ClientRegionMemory[] {
  const regions = new Map<string, number>();
  for (const [, kind, region = '', digits, unit] of text.matchAll(LINE)) {
    const bytes = Number(digits) * (UNITS[unit ?? ''] ?? 1);
    if (!Number.isSafeInteger(bytes) || (!regions.has(region) && regions.size >= MOST_REGIONS)) continue;
    regions.set(region, kind === 'resident' ? bytes : (regions.get(region) ?? 0));
  }
  return [...regions].map(([region, residentBytes]) => ({ region, residentBytes }));
}
