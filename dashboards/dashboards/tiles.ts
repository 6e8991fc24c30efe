import { stat, thresholds } from './panels.js';
import { OOM_IN_RANGE } from './queries.js';

/** What a panel says where nothing is scraped. */
export const NOT_SCRAPED = 'No exporter is scraped.';
/** What a panel of VRAM says where none is reported. */
export const MEMORY_OFF = 'No VRAM is reported. Switch memory readings on with --memory-interval.';

/** @param width in columns of 24 */
export function outOfMemoryErrors(width: number) {
  return stat({
    title: 'Out-of-memory errors (all jobs)',
    description:
      'How often a GPU ran out of memory in the range and the driver killed a GPU context (ENOMEM, ENOSPC), in every namespace.',
    empty: NOT_SCRAPED,
    width,
    query: OOM_IN_RANGE,
    limits: thresholds(['text', [1, 'red']]),
  });
}
