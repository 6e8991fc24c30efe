import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { parseKmsgRecord, type KernelLogLine } from '../../wire/kernel-log.js';

/** The kernel's ring holds fewer records than that. */
const MAX_RECORDS = 1_000_000;
/** A record with its continuation lines is no longer (CONSOLE_EXT_LOG_MAX in kernel/printk/printk.c, Linux 7.3). */
const MAX_RECORD_BYTES = 8192;

/** What the kernel log holds from before this exporter. */
export interface KernelLogHistory {
  /** Lines of the xe driver, oldest first. */
  readonly lines: readonly KernelLogLine[];
  /** Number of the newest record, whoever wrote it; undefined for an empty log. */
  readonly last: number | undefined;
}

/**
 * Reads /dev/kmsg from its oldest record to its newest, on the calling thread: a few milliseconds, because the ring is memory. Each read
 * gives one record; records that are overwritten meanwhile are skipped (EPIPE).
 *
 * @param path of a character device; anything else has no history
 * @returns undefined when it cannot be read
 */
export function readKernelLogHistory(path: string): KernelLogHistory | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    if (!fstatSync(descriptor).isCharacterDevice()) return undefined;
    return readAll(descriptor);
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

function readAll(descriptor: number): KernelLogHistory {
  const buffer = Buffer.alloc(MAX_RECORD_BYTES);
  const lines: KernelLogLine[] = [];
  let last: number | undefined;
  for (let record = 0; record < MAX_RECORDS; record++) {
    const bytes = readRecord(descriptor, buffer);
    if (bytes === 'end') break;
    if (bytes === 'lost') continue;
    const text = buffer.toString('utf8', 0, bytes);
    last = Number(/^\d+,(\d+),/.exec(text)?.[1] ?? last);
    if (!text.includes(';xe ')) continue;
    const line = parseKmsgRecord(text);
    if (line?.fromXe) lines.push(line);
  }
  return { lines, last };
}

function readRecord(descriptor: number, buffer: Buffer): number | 'lost' | 'end' {
  try {
    const bytes = readSync(descriptor, buffer);
    return bytes === 0 ? 'end' : bytes;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPIPE') return 'lost';
    if (code === 'EAGAIN') return 'end';
    throw error;
  }
}
