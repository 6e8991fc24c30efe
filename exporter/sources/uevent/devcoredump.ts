import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventDetails } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../telemetry/names.js';

/** What is read of a dump; the rest can be as large as the memory of the GPU. */
const HEAD_BYTES = 4096;

/** Reason and process stand there, a line each (drivers/gpu/drm/xe/xe_devcoredump.c, Linux 7.2). */
const REASON = /^Reason: (.{1,256})$/m;
const PROCESS = /^Process: (.{1,64}) \[(\d{1,10})\]$/m;

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
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return parseDevcoredumpHead(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await file.close();
    }
  } catch {
    return {};
  }
}

/** Reason and process as attributes of the log event; what is not there is left out. */
export function parseDevcoredumpHead(text: string): EventDetails {
  const reason = REASON.exec(text)?.[1];
  const [, executable, pid] = PROCESS.exec(text) ?? [];
  return {
    ...(reason !== undefined && { [ATTRIBUTE.devcoredumpReason]: reason }),
    ...(Number(pid) > 0 && { [ATTRIBUTE.pid]: Number(pid), [ATTRIBUTE.executable]: executable ?? '' }),
  };
}
