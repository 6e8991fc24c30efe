/** What the first lines of an xe device coredump say (drivers/gpu/drm/xe/xe_devcoredump.c). */
export interface DevcoredumpHead {
  /** Why it was taken; Linux 6.12 does not say. */
  readonly reason: string | undefined;
  /** When the driver took it, milliseconds since the epoch. */
  readonly snapshotMs: number | undefined;
  /** Name of the process that opened the device, at that time; undefined when the kernel knows none. */
  readonly process: string | undefined;
  /** Its pid in the initial pid namespace; undefined as above, and Linux 6.12 does not say. */
  readonly pid: number | undefined;
}

/** Bytes of a dump that hold its head; a whole dump can have gigabytes. */
export const DEVCOREDUMP_HEAD_BYTES = 4096;

/** Six lines in the kernel's order; a process can have any name, so nothing behind it is looked at. */
const HEAD = new RegExp(
  [
    '^\\*{4} Xe Device Coredump \\*{4}\\n',
    '(?:Reason: (?<reason>[^\\n]{1,256})[^\\n]*\\n)?',
    'kernel: [^\\n]{1,128}\\n',
    'module: [^\\n]*\\n',
    'Snapshot time: (?:(?<seconds>\\d{1,11})\\.(?<nanoseconds>\\d{1,9}))?[^\\n]*\\n',
    'Uptime: [^\\n]*\\n',
    '(?:Process: (?<process>[^\\n]{1,64}?)(?: \\[(?<pid>-?\\d{1,10})\\])?\\n)?',
  ].join(''),
);

/** What the kernel calls it when there is none. */
const NO_PROCESS = 'no process';

/** Reads the head of a dump; undefined when it is no dump of xe. Pure. @param text the first {@link DEVCOREDUMP_HEAD_BYTES}, as UTF-8 */
export function devcoredumpHead(text: string): DevcoredumpHead | undefined {
  const groups = HEAD.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const { reason, seconds, nanoseconds, process, pid } = groups;
  const known = process !== NO_PROCESS;
  return {
    reason,
    snapshotMs: seconds === undefined ? undefined : Number(seconds) * 1000 + Math.floor(Number(nanoseconds) / 1e6),
    process: known ? process : undefined,
    pid: known && pid !== undefined && Number(pid) > 0 ? Number(pid) : undefined,
  };
}
