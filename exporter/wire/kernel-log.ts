/**
 * Lines of the kernel log as /dev/kmsg and syslog(2) give them (kernel/printk/printk.c, Linux 7.2), and what stands before the
 * message in a line of the xe driver (include/drm/drm_print.h, drivers/gpu/drm/xe/xe_gt_printk.h). Pure; any bytes parse or are refused.
 */

/** Facility of everything printed by the kernel; the kernel forces what user space writes to /dev/kmsg to another. */
export const FACILITY_KERN = 0;

export interface KernelLogLine {
  /** 0 emergency … 3 error, 4 warning, 5 notice, 6 info, 7 debug. */
  readonly level: number;
  readonly facility: number;
  /** Counts all records since boot; undefined from syslog(2). */
  readonly sequence: number | undefined;
  /** Time since boot; undefined from syslog(2) with printk.time off. */
  readonly microseconds: number | undefined;
  /** PCI address, from the DEVICE= line; from the text where there is none (syslog(2)). */
  readonly pciBdf: string | undefined;
  /** Of the driver's prefix: tile and GT number, and whether a virtual or physical function speaks. */
  readonly tile: number | undefined;
  readonly gt: number | undefined;
  readonly sriov: 'PF' | 'VF' | undefined;
  /** True when the line is the xe driver's: `xe <address>: …`. */
  readonly fromXe: boolean;
  /** What follows the prefix, escapes undone; may have several lines. */
  readonly message: string;
}

const KMSG_HEAD = /^(\d{1,10}),(\d{1,20}),(\d{1,20}),[^;\n]*;/;
const SYSLOG_HEAD = /^<(\d{1,10})>(?:\[ *(\d{1,12})\.(\d{6})\] ?)?(?:\[[TC]\d+\] )?/;
const PCI_ADDRESS = '[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]';
const DEVICE = new RegExp(`^ DEVICE=\\+pci:(${PCI_ADDRESS})$`, 'm');
const XE_PREFIX = new RegExp(`^xe (${PCI_ADDRESS}): `);
/** In this order; each is optional. */
const DRM_PREFIX =
  /^(?:\[drm(?::[^\]]{1,100})?\] )?(?:\*ERROR\* )?(?:(PF|VF): )?(?:Tile(\d{1,2}): )?(?:GT(\d{1,2}): )?/;

/** Parses one record of /dev/kmsg with its continuation lines; undefined when it is none. @param text decoded as UTF-8 */
export function parseKmsgRecord(text: string): KernelLogLine | undefined {
  const head = KMSG_HEAD.exec(text);
  if (head === null) return undefined;
  const end = text.indexOf('\n');
  const line = text.slice(head[0].length, end === -1 ? undefined : end);
  const device = end === -1 ? undefined : DEVICE.exec(text.slice(end))?.[1];
  const priority = Number(head[1]);
  return withMessage(priority, Number(head[2]), Number(head[3]), device, undoEscapes(line));
}

/** Parses one line of syslog(2), `<priority>[seconds.micros] text`; undefined when it is none. */
export function parseSyslogLine(text: string): KernelLogLine | undefined {
  const head = SYSLOG_HEAD.exec(text);
  if (head === null) return undefined;
  const [whole, priority, seconds, micros] = head;
  const time = seconds === undefined ? undefined : Number(seconds) * 1e6 + Number(micros);
  return withMessage(Number(priority), undefined, time, undefined, text.slice(whole.length));
}

function withMessage(
  priority: number,
  sequence: number | undefined,
  microseconds: number | undefined,
  device: string | undefined,
  text: string,
): KernelLogLine {
  const xe = XE_PREFIX.exec(text);
  const rest = xe === null ? text : text.slice(xe[0].length);
  const drm = DRM_PREFIX.exec(rest);
  const [prefix = '', sriov, tile, gt] = drm ?? [];
  return {
    level: priority & 7,
    facility: priority >>> 3,
    sequence,
    microseconds,
    pciBdf: device ?? xe?.[1],
    tile: tile === undefined ? undefined : Number(tile),
    gt: gt === undefined ? undefined : Number(gt),
    sriov: sriov as 'PF' | 'VF' | undefined,
    fromXe: xe !== null,
    message: rest.slice(prefix.length),
  };
}

/** /dev/kmsg writes bytes below 0x20, from 0x7f on, and the backslash as \xNN. */
function undoEscapes(text: string): string {
  if (!text.includes('\\x')) return text;
  const bytes = text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
