/**
 * Messages of generic netlink, from include/uapi/linux/netlink.h and genetlink.h (Linux 7.2). Pure: no socket, no policy. Multi-byte
 * fields are in host order, which is little endian on every machine an xe GPU sits in.
 */

/** struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence, u32 port. */
const HEADER_BYTES = 16;
/** struct genlmsghdr behind it: u8 command, u8 version, u16 reserved. */
const GENERIC_HEADER_BYTES = 4;
/** struct nlattr: u16 length, u16 type. */
const ATTRIBUTE_HEADER_BYTES = 4;
/** The two upper bits of a type say how its content is laid out. */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

const FLAG = { REQUEST: 1, DUMP: 0x300 } as const;

/** What names the other families. */
const CONTROLLER = { family: 0x10, getFamily: 3, familyId: 1, familyName: 2, version: 2 } as const;

/** Each request has a socket of its own, so that one number does for all. */
export const SEQUENCE = 1;

/** The content of each attribute of one message, by type. */
export type Attributes = ReadonlyMap<number, DataView>;

/** Asks for the number of a family. */
export function familyRequest(name: string): Uint8Array {
  return request(CONTROLLER.family, FLAG.REQUEST, CONTROLLER.getFamily, CONTROLLER.version, [
    attribute(CONTROLLER.familyName, Buffer.from(`${name}\0`)),
  ]);
}

/** The number in the answer to a {@link familyRequest}; undefined when the answer is not one. */
export function familyIn(answer: Uint8Array): number | undefined {
  const content = parseMessages(answer)?.[0]?.get(CONTROLLER.familyId);
  return content?.byteLength === 2 ? content.getUint16(0, true) : undefined;
}

/** Asks a family for all there is of something. @param numbers attributes of four bytes, by type */
export function dumpRequest(
  family: number,
  command: number,
  version: number,
  numbers: Readonly<Record<number, number>> = {},
): Uint8Array {
  const attributes = Object.entries(numbers).map(([type, number]) => attribute(Number(type), uint32(number)));
  return request(family, FLAG.REQUEST | FLAG.DUMP, command, version, attributes);
}

/**
 * The attributes of each message of an answer.
 * @returns undefined when a length in it was impossible: then nothing in it can be trusted
 */
export function parseMessages(answer: Uint8Array): readonly Attributes[] | undefined {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  const messages: Attributes[] = [];
  for (let at = 0; at < view.byteLength;) {
    if (view.byteLength - at < HEADER_BYTES) return undefined;
    const end = at + view.getUint32(at, true);
    const begin = at + HEADER_BYTES + GENERIC_HEADER_BYTES;
    if (end < begin || end > view.byteLength) return undefined;
    const attributes = parseAttributes(view, begin, end);
    if (attributes === undefined) return undefined;
    messages.push(attributes);
    at = aligned(end);
  }
  return messages;
}

/** Of four bytes; undefined when it is absent or of another size. */
export function numberOf(attributes: Attributes, type: number): number | undefined {
  const content = attributes.get(type);
  return content?.byteLength === 4 ? content.getUint32(0, true) : undefined;
}

/** Up to its NUL byte, as latin1; undefined when it is absent. */
export function textOf(attributes: Attributes, type: number): string | undefined {
  const content = attributes.get(type);
  if (content === undefined) return undefined;
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** Of two of one type the last counts, as in the kernel. */
function parseAttributes(view: DataView, begin: number, end: number): Attributes | undefined {
  const attributes = new Map<number, DataView>();
  for (let at = begin; at < end;) {
    if (end - at < ATTRIBUTE_HEADER_BYTES) return undefined;
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || length > end - at) return undefined;
    const type = view.getUint16(at + 2, true) & ATTRIBUTE_TYPE_MASK;
    const start = view.byteOffset + at + ATTRIBUTE_HEADER_BYTES;
    attributes.set(type, new DataView(view.buffer, start, length - ATTRIBUTE_HEADER_BYTES));
    at = aligned(at + length);
  }
  return attributes;
}

function request(
  type: number,
  flags: number,
  command: number,
  version: number,
  attributes: readonly Uint8Array[],
): Uint8Array {
  const head = Buffer.alloc(HEADER_BYTES + GENERIC_HEADER_BYTES);
  const message = Buffer.concat([head, ...attributes]);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(flags, 6);
  message.writeUInt32LE(SEQUENCE, 8);
  message.writeUInt8(command, HEADER_BYTES);
  message.writeUInt8(version, HEADER_BYTES + 1);
  return message;
}

function attribute(type: number, content: Uint8Array): Uint8Array {
  const length = ATTRIBUTE_HEADER_BYTES + content.length;
  const bytes = Buffer.alloc(aligned(length));
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(content, ATTRIBUTE_HEADER_BYTES);
  return bytes;
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function aligned(offset: number): number {
  return (offset + 3) & ~3;
}
