/** Bytes in the order and encodings of Prometheus' block files: big endian, with the varints of Go. */
export class Bytes {
  #buffer = Buffer.allocUnsafe(1 << 16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written so far; valid until the next write. */
  view(from = 0): Buffer {
    return this.#buffer.subarray(from, this.#length);
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
    return this;
  }

  u64(value: number): this {
    this.#reserve(8);
    this.#length = this.#buffer.writeBigUInt64BE(BigInt(value), this.#length);
    return this;
  }

  /** @param value a whole number of at most 53 bits */
  uvarint(value: number): this {
    this.#reserve(10);
    while (value >= 0x80) {
      this.#buffer[this.#length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.#buffer[this.#length++] = value;
    return this;
  }

  /** Zigzag, as encoding/binary of Go writes signed numbers. */
  varint(value: number): this {
    return this.uvarint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Length and text. */
  text(value: string): this {
    const length = Buffer.byteLength(value);
    this.uvarint(length);
    this.#reserve(length);
    this.#buffer.write(value, this.#length);
    this.#length += length;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** Zeros up to the next multiple. */
  pad(multiple: number): this {
    while (this.#length % multiple !== 0) this.u8(0);
    return this;
  }

  /** The checksum of what was written since `from`. */
  crc32c(from: number): this {
    return this.u32(crc32c(this.view(from)));
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#length + more));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** CRC-32 by the polynomial of Castagnoli; node:zlib has the other one. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CASTAGNOLI[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, index) => {
  for (let bit = 0; bit < 8; bit++) index = index & 1 ? (index >>> 1) ^ 0x82f63b78 : index >>> 1;
  return index >>> 0;
});
