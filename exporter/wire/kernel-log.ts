import { BoundedMap } from '../bounded-map.js';
import { PCI_ADDRESS } from './pci-address.js';

/**
 * Lines of the kernel log as /dev/kmsg and syslog(2) give them (kernel/printk/printk.c, Linux 7.2), and what stands before the
 * message in a line of the xe driver (drm_print.c, xe_gt_printk.h; Linux 6.8 to 7.2). Pure; any text parses or is refused, in linear time.
 */

/** Facility of everything printed by the kernel; the kernel forces what user space writes to /dev/kmsg to another. */
export const FACILITY_KERN = 0;

export interface KernelLogLine {
  /** All of it as it was read, without number and time: equal for the repeats of one line. */
  readonly raw: string;
  /** 0 emergency … 3 error, 4 warning, 5 notice, 6 info, 7 debug. */
  readonly level: number;
  readonly facility: number;
  /** PCI address that the kernel stamped on the record (DEVICE=); syslog(2) has no stamp, there it is the one of the driver's prefix. */
  readonly pciBdf: string | undefined;
  /** Of the driver's prefix: tile and GT number. */
  readonly tile: number | undefined;
  readonly gt: number | undefined;
  /** True when the line is the xe driver's: `xe <address>: …`, with the stamp of that address. */
  readonly fromXe: boolean;
  /** The text, for a line of xe what follows the prefix, escapes undone; may have several lines. */
  readonly message: string;
  /** Counts all records since boot; undefined from syslog(2). */
  readonly sequence: number | undefined;
  /** Time since boot; undefined from syslog(2) with printk.time off. */
  readonly microseconds: number | undefined;
}

/** Fifteen digits are below 2^53; a facility has 8 bits. */
const KMSG_HEAD = /^(\d{1,4}),(\d{1,15}),(\d{1,15}),[^;\n]{0,64};/;
/** With CONFIG_PRINTK_CALLER the thread or CPU follows the time. */
const SYSLOG_HEAD = /^<(\d{1,4})>(?:\[ *(\d{1,9})\.(\d{6})\])?(?:\[ *[TC]\d{1,10}\])? ?/;
const DEVICE = new RegExp(`^ DEVICE=\\+pci:(${PCI_ADDRESS})$`, 'm');
const XE_PREFIX = new RegExp(`^xe (${PCI_ADDRESS}): `);
/** Debug messages name their function; dev_err() and its like leave all of it out. */
const DRM_PREFIX = /^(?:\[drm(?::[^\]]{1,100}\]?)?\] )?(?:\*ERROR\* )?/;
/** Linux 7.2 writes `PF: Tile0: GT0: `, 6.12 `GT0: PF: `, 6.8 nothing or `GT0: `. */
const PLACE = /^(?:(?:PF|VF|Tile\d{1,2}|GT\d{1,2}): ){0,3}/;

/** Texts that are remembered, and how long one may be for that. */
const MAX_REMEMBERED = 128;
const MAX_REMEMBERED_CHARACTERS = 512;

/** Parses one record of /dev/kmsg with its continuation lines; undefined when it is none. @param text decoded as UTF-8 */
export function parseKmsgRecord(text: string): KernelLogLine | undefined {
  const head = KMSG_HEAD.exec(text);
  if (head === null) return undefined;
  return {
    ...kmsgText(Number(head[1]), text.slice(head[0].length)),
    sequence: Number(head[2]),
    microseconds: Number(head[3]),
  };
}

/**
 * Parses one line of syslog(2), `<priority>[seconds.micros] text`; undefined when it is none. What user space wrote to the log has its
 * facility here, too. But the kernel puts each line of a record behind a priority of its own, so a kernel message that quotes a newline
 * from user space can pass for two: /dev/kmsg is to be preferred.
 */
export function parseSyslogLine(text: string): KernelLogLine | undefined {
  const head = SYSLOG_HEAD.exec(text);
  if (head === null) return undefined;
  const [whole, priority, seconds, micros] = head;
  return {
    ...syslogText(Number(priority), text.slice(whole.length)),
    sequence: undefined,
    microseconds: seconds === undefined ? undefined : Number(seconds) * 1e6 + Number(micros),
  };
}

/** What a line says, whenever it was said. */
export type KernelLogText = Omit<KernelLogLine, 'sequence' | 'microseconds'>;

type ParseText = (priority: number, raw: string) => KernelLogLine;

const kmsgText = remembering((priority, raw) => {
  const end = raw.indexOf('\n');
  const pciBdf = end === -1 ? undefined : DEVICE.exec(raw.slice(end))?.[1];
  const message = undoEscapes(end === -1 ? raw : raw.slice(0, end));
  const xe = XE_PREFIX.exec(message);
  // Whatever text a user gets the kernel to print, it cannot get the stamp of a device on it. The driver's WARN() has no stamp either: nobody
  // can tell its lines from forged ones, so they stay in the log.
  return asText(priority, raw, pciBdf, message, xe?.[1] === pciBdf ? xe : null);
});

const syslogText = remembering((priority, raw) => {
  const xe = XE_PREFIX.exec(raw);
  return asText(priority, raw, xe?.[1], raw, xe);
});

/** A GPU that hangs can repeat one line a hundred thousand times a second: it is taken apart once. */
function remembering(parse: ParseText): ParseText {
  const known = new BoundedMap<string, KernelLogLine>(MAX_REMEMBERED);
  return (priority, raw) => {
    const before = known.get(raw);
    if (before !== undefined && before.facility * 8 + before.level === priority) return before;
    const text = parse(priority, raw);
    if (raw.length <= MAX_REMEMBERED_CHARACTERS) known.set(raw, text);
    return text;
  };
}

/**
 * Takes the driver's prefix apart; the message of anybody else stays as it is. With the members that each line sets anew: V8 copies an object
 * fifty times faster when the copy gets no members of its own.
 *
 * @param xe the match of {@link XE_PREFIX} when the line is the driver's
 */
function asText(
  priority: number,
  raw: string,
  pciBdf: string | undefined,
  message: string,
  xe: RegExpExecArray | null,
): KernelLogLine {
  const rest = xe === null ? message : message.slice(xe[0].length).replace(DRM_PREFIX, '');
  const place = xe === null ? '' : (PLACE.exec(rest)?.[0] ?? '');
  return {
    raw,
    level: priority & 7,
    facility: priority >>> 3,
    pciBdf,
    tile: numberAfter('Tile', place),
    gt: numberAfter('GT', place),
    fromXe: xe !== null,
    message: rest.slice(place.length),
    sequence: undefined,
    microseconds: undefined,
  };
}

function numberAfter(name: string, place: string): number | undefined {
  const at = place.indexOf(name);
  return at === -1 ? undefined : Number.parseInt(place.slice(at + name.length), 10);
}

/** /dev/kmsg writes bytes below 0x20, from 0x7f on, and the backslash as \xNN. */
function undoEscapes(text: string): string {
  return text.replace(/(?:\\x[0-9a-f]{2})+/g, (run) => Buffer.from(run.replaceAll('\\x', ''), 'hex').toString('utf8'));
}
