import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What identifies a drm client (Documentation/gpu/drm-usage-stats.rst). */
export interface DrmFdinfo {
  /** `drm-driver`, e.g. `xe`. */
  readonly driver: string;
  /** `drm-client-id`. */
  readonly clientId: number;
  /** `drm-pdev`, the PCI address; undefined for devices that are not on PCI. */
  readonly pciBdf: string | undefined;
}

/**
 * Reads who a drm file is. On xe this resumes the GPU and can wait for queues being torn down: once per new client, on a
 * pool thread, never on the event path and never on a schedule.
 *
 * @returns undefined when the file is not a drm file any more.
 * @throws the file system's error (EACCES, ENOENT, ESRCH)
 */
export async function readDrmFdinfo(procRoot: string, pid: number, fd: number): Promise<DrmFdinfo | undefined> {
  return parseDrmFdinfo(await readFile(join(procRoot, String(pid), 'fdinfo', String(fd)), 'utf8'));
}

/** Parses `key:\tvalue` lines; undefined unless driver and client id are there. */
export function parseDrmFdinfo(text: string): DrmFdinfo | undefined {
  const value = (key: string): string | undefined => new RegExp(`^${key}:[ \\t]*(\\S+)[ \\t]*$`, 'm').exec(text)?.[1];
  const driver = value('drm-driver');
  const clientId = Number(/^\d+$/.exec(value('drm-client-id') ?? '')?.[0] ?? NaN);
  if (driver === undefined || !Number.isSafeInteger(clientId)) return undefined;
  return { driver, clientId, pciBdf: value('drm-pdev') };
}
