import { gzipSync } from 'node:zlib';

/** One file of an archive. */
export interface ArchiveFile {
  readonly name: string;
  readonly text: string;
}

const BLOCK = 512;

/** A .tar.gz of a few texts (POSIX ustar), readable by their owner alone. Pure. @param name at most 100 bytes with the folder */
export function tarGz(folder: string, files: readonly ArchiveFile[], modified: Date): Buffer {
  const parts = files.flatMap(({ name, text }) => {
    const body = Buffer.from(text);
    return [header(`${folder}/${name}`, body.length, modified), body, Buffer.alloc(-body.length & (BLOCK - 1))];
  });
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]));
}

function header(name: string, size: number, modified: Date): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0, 100);
  block.write(octal(0o600, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(Math.floor(modified.getTime() / 1000), 11), 136);
  // The checksum is taken with spaces in its own place.
  block.write('        ', 148);
  block.write('0ustar\x0000', 156);
  block.write(
    octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    ),
    148,
  );
  return block;
}
