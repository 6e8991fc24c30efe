import { Bytes, crc32c } from './bytes.js';

/** Samples that Prometheus puts into one chunk. */
export const SAMPLES_PER_CHUNK = 120;

const XOR_ENCODING = 1;

/**
 * One chunk as it stands in a chunk file: length, encoding, samples and checksum (tsdb/docs/format/chunks.md).
 * @param start Unix time of the first sample, in milliseconds
 * @param step between samples, in milliseconds
 */
export function xorChunk(values: readonly number[], start: number, step: number): Uint8Array {
  const bits = new Bits();
  let previous = 0n;
  let leading = -1;
  let trailing = 0;
  values.forEach((value, index) => {
    const current = bitsOf(value);
    if (index === 0) {
      bits.bytes(new Bytes().varint(start).view());
      bits.write(current, 64);
    } else {
      // The same step every time: the delta once, and then that it did not change.
      if (index === 1) bits.bytes(new Bytes().uvarint(step).view());
      else bits.write(0n, 1);
      const changed = previous ^ current;
      if (changed === 0n) bits.write(0n, 1);
      else {
        const zerosBefore = Math.min(31, 64 - changed.toString(2).length);
        const zerosAfter = trailingZeros(changed);
        bits.write(1n, 1);
        if (leading >= 0 && zerosBefore >= leading && zerosAfter >= trailing) {
          bits.write(0n, 1);
        } else {
          [leading, trailing] = [zerosBefore, zerosAfter];
          bits.write(1n, 1);
          bits.write(BigInt(leading), 5);
          bits.write(BigInt((64 - leading - trailing) % 64), 6);
        }
        bits.write(changed >> BigInt(trailing), 64 - leading - trailing);
      }
    }
    previous = current;
  });
  const data = Buffer.concat([Buffer.from([values.length >> 8, values.length & 0xff]), bits.done()]);
  const sealed = Buffer.concat([Buffer.from([XOR_ENCODING]), data]);
  return Uint8Array.from(new Bytes().uvarint(data.length).bytes(sealed).u32(crc32c(sealed)).view());
}

const scratch = new DataView(new ArrayBuffer(8));

function bitsOf(value: number): bigint {
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}

function trailingZeros(value: bigint): number {
  let count = 0;
  while ((value & 1n) === 0n) {
    value >>= 1n;
    count++;
  }
  return count;
}

/** A row of bits, the highest of each byte first. */
class Bits {
  readonly #bytes: number[] = [];
  #free = 0;

  write(value: bigint, count: number): void {
    for (let bit = BigInt(count - 1); bit >= 0n; bit--) {
      if (this.#free === 0) {
        this.#bytes.push(0);
        this.#free = 8;
      }
      this.#free--;
      if ((value >> bit) & 1n) this.#bytes[this.#bytes.length - 1]! |= 1 << this.#free;
    }
  }

  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.write(BigInt(byte), 8);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
