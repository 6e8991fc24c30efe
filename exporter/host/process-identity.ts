import { readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** Linux exposes process times in units of 1/100 s on every architecture (USER_HZ). */
const USER_HZ = 100;

/** Seconds since the epoch at which the machine booted, from /proc/stat; undefined where it cannot be read. */
export async function readBootTime(procRoot: string): Promise<number | undefined> {
  const text = await readFile(join(procRoot, 'stat'), 'utf8').catch(() => '');
  const seconds = /^btime (\d+)$/m.exec(text)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

/** Wall-clock start of a process, ISO 8601. @param startTime clock ticks since boot; @param bootTime seconds since the epoch */
export function creationTime(startTime: bigint, bootTime: number | undefined): string | undefined {
  if (bootTime === undefined) return undefined;
  const date = new Date(bootTime * 1000 + (Number(startTime) * 1000) / USER_HZ);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** Base name of the executable, without the kernel's mark of a deleted file; `comm` where the link cannot be read. */
export async function executableName(procRoot: string, pid: number, comm: string): Promise<string> {
  const target = await readlink(join(procRoot, String(pid), 'exe')).catch(() => comm);
  return basename(target.replace(/ \(deleted\)$/, '')) || comm;
}
