/** Bytes of the header the reader thread puts before each batch; see `NativeReader.drain` for its fields. */
const FRAME_HEADER_BYTES = 32;
const FRAME_ALIGNMENT = 8;

/** Called for each batch of a drained buffer: where its records stand, and when they were read. */
export type FrameVisitor = (pipe: number, start: number, end: number, realtimeNs: bigint, monotonicNs: bigint) => void;

/** Walks the `length` bytes that one drain wrote into the buffer under `view`. */
export function forEachFrame(view: DataView, length: number, visit: FrameVisitor): void {
  for (let offset = 0; offset + FRAME_HEADER_BYTES <= length;) {
    const start = offset + FRAME_HEADER_BYTES;
    const end = start + view.getUint32(offset + 4, true);
    visit(
      view.getUint32(offset, true),
      start,
      end,
      view.getBigInt64(offset + 8, true),
      view.getBigInt64(offset + 16, true),
    );
    offset = Math.ceil(end / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
  }
}
