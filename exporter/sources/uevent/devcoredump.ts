import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventDetails } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import { DEVCOREDUMP_HEAD_BYTES, devcoredumpHead, type DevcoredumpHead } from '../../wire/devcoredump.js';

/**
 * Reads the head of a dump; nothing when it cannot be read. Only reads: writing anything there deletes the dump. The driver
 * has a read wait until it has captured everything, so this may take its time on a thread of the pool.
 *
 * @param folder the directory of the dump in sysfs
 */
export async function readDevcoredump(folder: string): Promise<EventDetails> {
  try {
    const file = await open(join(folder, 'data'), 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(DEVCOREDUMP_HEAD_BYTES), 0, DEVCOREDUMP_HEAD_BYTES, 0);
      return detailsOf(devcoredumpHead(buffer.toString('utf8', 0, bytesRead)));
    } finally {
      await file.close();
    }
  } catch {
    return {};
  }
}

/** Reason and process as attributes of the log event; what is not there is left out. */
export function detailsOf(head: DevcoredumpHead | undefined): EventDetails {
  const { reason, process, pid } = head ?? {};
  return {
    ...(reason !== undefined && { [ATTRIBUTE.devcoredumpReason]: reason }),
    ...(process !== undefined && { [ATTRIBUTE.executable]: process }),
    ...(pid !== undefined && { [ATTRIBUTE.pid]: pid }),
  };
}
