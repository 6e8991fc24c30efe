import type { XeClient } from '../../exporter/clients/client.js';
import type { WatchBatch } from '../../exporter/sources/source.js';

/** A record as the kernel lays it out; `length` may lie. */
export function rawRecord(type: number, subtype: number, watchId: number, bytes: number, length = bytes): Uint8Array {
  const record = new Uint8Array(bytes);
  const view = new DataView(record.buffer);
  view.setUint32(0, (type | (subtype << 24)) >>> 0, true);
  view.setUint32(4, length | (watchId << 8), true);
  return record;
}

/** The records of one read, somewhere in the middle of a larger buffer. */
export function aBatch(
  records: Uint8Array | readonly Uint8Array[],
  owners: readonly (XeClient | undefined)[] = [],
  given: Partial<WatchBatch> = {},
): WatchBatch {
  const bytes = records instanceof Uint8Array ? records : Buffer.concat(records);
  const margin = 24;
  const buffer = new Uint8Array(bytes.length + 2 * margin).fill(0xee);
  buffer.set(bytes, margin);
  return {
    kind: 'watch_queue',
    source: 'watch_queue',
    view: new DataView(buffer.buffer),
    start: margin,
    end: margin + bytes.length,
    realtimeNs: 1_769_860_800_123_456_789n,
    monotonicNs: process.hrtime.bigint(),
    owners,
    ...given,
  };
}
