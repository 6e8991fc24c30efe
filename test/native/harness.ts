import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import type { NativeFailure, NativeReader, ReaderOptions } from '../../exporter/native/binding.js';
import { loadNative } from '../../exporter/native/load.js';
import { waitFor } from '../helpers/wait-for.js';

export const addon = loadNative();

export const WATCH_TYPE_META = 0;
export const WATCH_TYPE_XE = 2;
export const META_REMOVAL = 0;
export const META_LOSS = 1;

/** A record as the kernel lays it out; `length` may lie. */
export function record(type: number, subtype: number, payload: Uint8Array, length = 8 + payload.length): Uint8Array {
  const bytes = Buffer.alloc(8 + payload.length);
  bytes.writeUIntLE(type, 0, 3);
  bytes.writeUInt8(subtype, 3);
  bytes.writeUInt32LE(length, 4);
  bytes.set(payload, 8);
  return bytes;
}

/** A 16-byte record of the xe type whose payload is a sequence number. */
export function numbered(sequence: number): Uint8Array {
  const payload = Buffer.alloc(8);
  payload.writeUInt32LE(sequence);
  return record(WATCH_TYPE_XE, 0, payload);
}

export function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

export function manyNumbered(first: number, count: number): Uint8Array {
  return Buffer.concat(range(first, count).map(numbered));
}

interface Frame {
  readonly pipe: number;
  readonly realtimeNs: bigint;
  readonly monotonicNs: bigint;
  readonly bytes: Buffer;
}

export interface Batch extends Frame {
  readonly records: readonly Buffer[];
}

/** Splits what drain() wrote. Strict: anything unlike the contract fails the test. */
export function parseBatches(drained: Uint8Array): Batch[] {
  return parseFrames(drained).map((frame) => ({ ...frame, records: splitRecords(frame.bytes) }));
}

export function parseFrames(drained: Uint8Array): Frame[] {
  const bytes = Buffer.from(drained.buffer, drained.byteOffset, drained.byteLength);
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes.readUInt32LE(at + 4);
    const end = at + 32 + length;
    assert.ok(end <= bytes.length, 'a batch is never split');
    assert.equal(bytes.readBigUInt64LE(at + 24), 0n, 'the reserved word is zero');
    frames.push({
      pipe: bytes.readUInt32LE(at),
      realtimeNs: bytes.readBigInt64LE(at + 8),
      monotonicNs: bytes.readBigInt64LE(at + 16),
      bytes: bytes.subarray(at + 32, end),
    });
    at = Math.ceil(end / 8) * 8;
  }
  assert.equal(at, bytes.length, 'the last batch is padded, too');
  return frames;
}

function splitRecords(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at + 4) & 0x7f;
    assert.ok(length >= 8 && at + length <= bytes.length, 'whole records only');
    records.push(bytes.subarray(at, at + length));
    at += length;
  }
  return records;
}

const drainBuffer = new Uint8Array(4 * addon.minDrainBytes);

/** Drains until the queue is empty. */
export function drainAll(reader: NativeReader): Batch[] {
  const batches: Batch[] = [];
  for (;;) {
    const written = reader.drain(drainBuffer);
    if (written === 0) return batches;
    batches.push(...parseBatches(drainBuffer.slice(0, written)));
  }
}

export function isLoss(bytes: Buffer): boolean {
  return bytes.readUInt32LE(0) === (WATCH_TYPE_META | (META_LOSS << 24)) && bytes.readUInt32LE(4) === 8;
}

/** Sequence numbers of numbered() records, 'loss' for a LOSS record. */
export function contents(batches: readonly Batch[]): (number | 'loss')[] {
  return batches.flatMap(({ records }) => records.map((bytes) => (isLoss(bytes) ? 'loss' : bytes.readUInt32LE(8))));
}

export function makeReader(options: Partial<ReaderOptions> = {}): NativeReader {
  return new addon.Reader({ backend: 'fake', queueBytes: 1 << 20, onReady: () => {}, ...options });
}

/** A reader on the fake that drains on every wake-up, as the exporter does. */
export class Collector {
  readonly batches: Batch[] = [];
  readonly reader = makeReader({ onReady: () => this.batches.push(...drainAll(this.reader)) });

  openPipe(records = 512): number {
    return opened(this.reader.open(records));
  }

  contents(): (number | 'loss')[] {
    return contents(this.batches);
  }
}

export function opened(result: number | NativeFailure): number {
  assert.equal(typeof result, 'number', `open: ${JSON.stringify(result)}`);
  return result as number;
}

/** What is open here, by number and what it stands for. */
function openFds(): ReadonlyMap<string, string> {
  const open = new Map<string, string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      open.set(fd, readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      // The descriptor that listed them.
    }
  }
  return open;
}

/** Remembers what is open. The function it returns waits until nothing else is: what others close or end meanwhile is no matter. */
export function watchFds(): () => Promise<void> {
  const before = openFds();
  return async () => {
    const left = () => [...openFds()].filter(([fd, target]) => before.get(fd) !== target);
    await waitFor(() => left().length === 0, { what: 'the descriptors to be closed' }).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(left())}`);
    });
  };
}

/** The names of the threads of this process. */
export function threadNames(): string[] {
  return readdirSync('/proc/self/task').map((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
    } catch {
      return '';
    }
  });
}
