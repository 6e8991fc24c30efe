import { readdirSync, statSync } from 'node:fs';
import { DRM_MAJOR } from '../../exporter/host/device.js';
import { loadNative } from '../../exporter/native/load.js';
import type { Measurement } from './measurement.js';
import { median } from './statistics.js';

const ROUNDS = 25;
const MINORS = new Set([0, 128]);

/** What one look at every open file of the machine costs, next to the same walk with node:fs. */
export const discovery: Measurement = {
  name: 'discovery',
  title: 'Discovery, one look at /proc',
  deadlineSeconds: 30,
  async run() {
    const native = loadNative();
    const minors = Uint32Array.from(MINORS);
    const nativeUs: number[] = [];
    const blockedUs: number[] = [];
    const nodeUs: number[] = [];
    let processes = 0;
    let files = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const begin = performance.now();
      const scanning = native.scanDrmFds('/proc', DRM_MAJOR, minors);
      blockedUs.push((performance.now() - begin) * 1000);
      const scan = await scanning;
      nativeUs.push((performance.now() - begin) * 1000);
      const again = performance.now();
      files = walk('/proc');
      nodeUs.push((performance.now() - again) * 1000);
      processes = scan.processes;
    }
    const [addon, node] = [median(nativeUs), median(nodeUs)];
    return {
      columns: ['walk', 'us', 'us/process', 'us/file', 'of node:fs', 'JavaScript blocked, us'],
      rows: [
        ['addon, off the JavaScript thread', addon, addon / processes, addon / files, addon / node, median(blockedUs)],
        ['node:fs, readdirSync and statSync', node, node / processes, node / files, 1, node],
      ],
      notes: [`Medians of ${ROUNDS} rounds, in turn, over ${processes} processes with ${files} open files.`],
    };
  },
};

/** @returns how many open files were looked at */
function walk(procRoot: string): number {
  let files = 0;
  for (const pid of readdirSync(procRoot)) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of list(`${procRoot}/${pid}/fd`)) {
      files++;
      isDrm(`${procRoot}/${pid}/fd/${fd}`);
    }
  }
  return files;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // Gone, or not ours to see.
  }
}

function isDrm(path: string): boolean {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat?.isCharacterDevice()) return false;
    // The low bits are all that DRM numbers need (makedev(3)).
    return ((stat.rdev >> 8) & 0xfff) === DRM_MAJOR && MINORS.has(stat.rdev & 0xff);
  } catch {
    return false;
  }
}
