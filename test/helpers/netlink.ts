// Messages as the kernel lays them out (include/uapi/linux/netlink.h, genetlink.h and drm_ras.h of Linux 7.2).
import { SEQUENCE } from '../../exporter/wire/generic-netlink.js';

export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;
export const NLM_F = { MULTI: 2, DUMP_INTR: 0x10 } as const;
/** Any number from 0x10 on is a family's. */
export const A_FAMILY = 0x1c;

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export interface MessageParts {
  readonly type?: number;
  readonly flags?: number;
  readonly sequence?: number;
  /** May lie; the true one by default. */
  readonly length?: number;
}

/** A message with padding behind it; those of a dump of drm-ras have no flag, not even NLM_F_MULTI. */
export function netlinkMessage(payload: Uint8Array, parts: MessageParts = {}): Buffer {
  const { type = A_FAMILY, flags = 0, sequence = SEQUENCE, length = 16 + payload.length } = parts;
  const bytes = Buffer.alloc(Math.ceil((16 + payload.length) / 4) * 4);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.set(payload, 16);
  return bytes;
}

/** The end of a dump, or of a refused request, with a negative errno. */
export function netlinkStatus(type: number, errno: number): Buffer {
  return netlinkMessage(uint32(errno), { type });
}

export const DONE = netlinkStatus(NLMSG.DONE, 0);

/** An attribute with padding behind it; its length may lie. */
export function attribute(type: number, content: Uint8Array, length = 4 + content.length): Buffer {
  const bytes = Buffer.alloc(Math.ceil((4 + content.length) / 4) * 4);
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(content, 4);
  return bytes;
}

/** A message of generic netlink. */
export function genericMessage(command: number, attributes: readonly Uint8Array[], parts: MessageParts = {}): Buffer {
  return netlinkMessage(Buffer.concat([Buffer.from([command, 1, 0, 0]), ...attributes]), parts);
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`, 'latin1');

/** The answer to the question for a family: no dump, so no end follows. */
export function familyAnswer(id: number): Buffer {
  const number = Buffer.alloc(2);
  number.writeUInt16LE(id);
  return genericMessage(1, [attribute(2, text('drm-ras')), attribute(1, number)], { type: 0x10 });
}

export function rasNode(id: number, device: string, name: string, kind = 1): Buffer {
  return genericMessage(1, [
    attribute(1, uint32(id)),
    attribute(2, text(device)),
    attribute(3, text(name)),
    attribute(4, uint32(kind)),
  ]);
}

export function rasCounter(id: number, name: string, value: number): Buffer {
  return genericMessage(2, [attribute(2, uint32(id)), attribute(3, text(name)), attribute(4, uint32(value))]);
}
