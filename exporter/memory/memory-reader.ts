import type { ClientEntry } from '../clients/client-table.js';
import type { XeDevice } from '../host/device.js';
import type { ClientRegionMemory, RegionMemory } from '../host/memory.js';
import type { NativeFailure } from '../native/binding.js';

/** What can be read about a device: how full its regions are, or what one client holds. */
export type MemoryItem = 'regions' | ClientEntry;

/** The result of one item. */
export type MemoryResult = readonly RegionMemory[] | readonly ClientRegionMemory[] | NativeFailure;

export function isRefusal(result: MemoryResult): result is NativeFailure {
  return 'errno' in result;
}

export interface MemoryReadHandlers {
  /** Called once for each item, in order; `cancelled` ECANCELED for one that was not begun. */
  readonly onResult: (item: MemoryItem, result: MemoryResult) => void;
  /** Called when another read of the device may begin: never, if one hangs in the kernel. */
  readonly onEnd: () => void;
}

/** Reads memory off the JavaScript thread. The caller ensures that a device has at most one read in flight. */
export interface MemoryReader {
  /**
   * Begins in this turn of the event loop; calls nothing before it has returned.
   * @returns a function that cancels the items not yet begun
   */
  read(device: XeDevice, items: readonly MemoryItem[], handlers: MemoryReadHandlers): () => void;
}
