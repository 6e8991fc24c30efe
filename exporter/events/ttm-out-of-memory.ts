import { EVENT, METRIC } from '../telemetry/names.js';
import { define } from './definition.js';

/** The memory manager found no place to evict a buffer to (drivers/gpu/drm/ttm/ttm_bo.c, Linux 7.2): the line names no device. */
export const ttmOutOfMemory = define({
  name: EVENT.ttmOutOfMemory,
  kernelLog: {
    patterns: [
      /^\[TTM\] Failed to find memory space for buffer 0x[0-9a-f]+ eviction/,
      /^\[TTM\] Buffer eviction failed/,
    ],
  },
  counts: 'node',
  metric: METRIC.ttmEvictionFailures,
  severity: () => 17,
  errorType: () => 'eviction_failed',
  body: () => 'GPU memory could not be evicted because host memory has no room for it: free host memory on this node.',
});
