import { closeSync, openSync, readSync } from 'node:fs';

/** Where distributions put the database of PCI ids: pciutils and Debian, Fedora and SUSE. */
const PLACES = ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids'];

const INTEL = '8086';
const CHUNK_BYTES = 64 * 1024;
/** Ten times the size of the file; anything larger in its place is not read to the end. */
const MOST_BYTES = 16 * 1024 * 1024;
/** The longest name has about 120 bytes; anything longer is not a name. */
const LONGEST_NAME = 256;

/**
 * Model names of Intel devices, from the pci.ids file of the system (https://pci-ids.ucw.cz): a line `8086  Intel
 * Corporation`, then one line `<tab>e20b  Battlemage G21 [Arc B580]` a device. The file is read when an id is first
 * looked up, and answers are kept: there are only as many as GPU models. Without the file, models have no name.
 */
export class PciIds {
  readonly #places: readonly string[];
  readonly #names = new Map<string, string>();

  constructor(places: readonly string[] = PLACES) {
    this.#places = places;
  }

  /**
   * @param deviceId hexadecimal with 0x, as sysfs has it. @returns the empty string for an unknown one. Never throws.
   */
  intelModel(deviceId: string): string {
    const id = /^0x([0-9a-f]{4})$/.exec(deviceId)?.[1];
    if (id === undefined) return '';
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const name = this.#find(id);
    this.#names.set(id, name);
    return name;
  }

  #find(id: string): string {
    for (const path of this.#places) {
      try {
        const name = findIntelDevice(linesOf(path), id);
        if (name !== '') return name;
      } catch {
        // Not there, or not readable: the next one.
      }
    }
    return '';
  }
}

function findIntelDevice(lines: Iterable<string>, id: string): string {
  let ofIntel = false;
  for (const line of lines) {
    if (/^[0-9a-f]{4} /.test(line)) {
      if (ofIntel) return '';
      ofIntel = line.startsWith(`${INTEL} `);
    } else if (ofIntel && line.startsWith(`\t${id} `)) {
      return line.slice(id.length + 1, LONGEST_NAME).trim();
    }
  }
  return '';
}

/** Without line ends; lines that are too long are cut. */
function* linesOf(path: string): Generator<string> {
  const fd = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let rest = '';
    for (let total = 0; total < MOST_BYTES;) {
      const length = readSync(fd, chunk);
      if (length === 0) break;
      total += length;
      const lines = (rest + chunk.toString('latin1', 0, length)).split('\n');
      rest = (lines.pop() ?? '').slice(0, CHUNK_BYTES);
      for (const line of lines) yield decode(line);
    }
    yield decode(rest);
  } finally {
    closeSync(fd);
  }
}

/** Chunks are cut between bytes, so characters are put together per line. */
function decode(line: string): string {
  return Buffer.from(line, 'latin1').toString('utf8');
}
