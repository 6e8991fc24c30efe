/**
 * The records a notification pipe delivers, from include/uapi/linux/watch_queue.h (Linux 7.2) and the xe series. Pure: no
 * names, no policy. Multi-byte fields are in host order, which is little endian on every machine an xe GPU sits in.
 */

/** Bytes of struct watch_notification: u32 {type:24, subtype:8}, u32 info. */
export const HEADER_BYTES = 8;

/** enum watch_notification_type; DRM_XE_NOTIFY comes with the xe series. */
export const WATCH_TYPE = { META: 0, KEY_NOTIFY: 1, DRM_XE_NOTIFY: 2 } as const;

/** enum watch_meta_notification_subtype. */
export const META_SUBTYPE = { REMOVAL: 0, LOSS: 1 } as const;

/** enum of struct drm_xe_watch_notification subtypes. */
export const XE_SUBTYPE = { VM_ERR: 0 } as const;

/** Bits of `info`: record length in bytes, and the watch id given at attach. */
const INFO_LENGTH_MASK = 0x7f;
const INFO_ID_SHIFT = 8;

/** Watch ids are 8 bits wide: 0..255. */
export const WATCH_IDS = 256;

/** Size of struct drm_xe_watch_notification_vm_err: header, u32 vm_id, s32 error_code. */
export const VM_ERR_BYTES = 16;

/** Calls for one record: its key, the watch id it carries, and where its `length` bytes start. */
export type RecordVisitor = (type: number, subtype: number, watchId: number, offset: number, length: number) => void;

/**
 * Walks the records packed into `view` between byte offsets `start` and `end`.
 *
 * @returns false when a length was impossible (shorter than a header, or beyond `end`): nothing after it can be trusted, and
 *   the rest is one malformed record.
 */
export function forEachRecord(view: DataView, start: number, end: number, visit: RecordVisitor): boolean {
  let offset = start;
  while (offset < end) {
    if (end - offset < HEADER_BYTES) return false;
    const key = view.getUint32(offset, true);
    const info = view.getUint32(offset + 4, true);
    const length = info & INFO_LENGTH_MASK;
    if (length < HEADER_BYTES || length > end - offset) return false;
    visit(key & 0xffffff, key >>> 24, (info >>> INFO_ID_SHIFT) & 0xff, offset, length);
    offset += length;
  }
  return true;
}

/** One VM error record as the kernel posts it; for the simulator and tests. */
export function encodeVmError(watchId: number, vmId: number, errorCode: number): Uint8Array {
  const bytes = new Uint8Array(VM_ERR_BYTES);
  const view = writeHeader(bytes, WATCH_TYPE.DRM_XE_NOTIFY, XE_SUBTYPE.VM_ERR, watchId);
  view.setUint32(HEADER_BYTES, vmId, true);
  view.setInt32(HEADER_BYTES + 4, errorCode, true);
  return bytes;
}

/** The notice that a watched file is gone, as the kernel posts it for xe: a bare header. */
export function encodeRemoval(watchId: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  writeHeader(bytes, WATCH_TYPE.META, META_SUBTYPE.REMOVAL, watchId);
  return bytes;
}

function writeHeader(bytes: Uint8Array, type: number, subtype: number, watchId: number): DataView {
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type | (subtype << 24), true);
  view.setUint32(4, bytes.length | (watchId << INFO_ID_SHIFT), true);
  return view;
}
