import { define } from '../definition.js';

/**
 * TTM could not evict a buffer (drivers/gpu/drm/ttm/ttm_bo.c, Linux 6.8 to 7.2), because there was no room or the move failed: one line
 * for each. The line names no device, and drivers other than xe use TTM, too.
 */
export const ttmOutOfMemory = define({
  name: 'xe.ttm.out_of_memory',
  summary: 'GPU memory could not be evicted to host memory; the kernel does not name the device',
  kernelLog: {
    from: 'ttm',
    patterns: [
      /^\[TTM\] Failed to find memory space for buffer 0x\S{1,32} eviction/,
      /^\[TTM\] Buffer eviction failed$/,
    ],
  },
  counter: {
    name: 'xe_ttm_eviction_failures_total',
    help: 'Failed evictions of GPU memory to host memory; the kernel does not name the device.',
    ofNode: true,
  },
  severity: () => 17,
  errorType: () => 'eviction_failed',
  body: () =>
    'GPU memory could not be evicted to host memory on this node: free host memory, and see the kernel log for the GPU.',
});
