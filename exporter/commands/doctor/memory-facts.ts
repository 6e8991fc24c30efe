import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../config/schema.js';
import { TIMED_OUT, withDeadline } from '../../time/deadline.js';
import type { XeDevice } from '../../host/device.js';
import { DeviceMemory } from '../../memory/device-memory.js';
import type { MemoryAnswers } from '../../memory/memory-feature.js';
import { NativeMemoryReader } from '../../memory/native-memory-reader.js';
import type { DrmFd, NativeAddon, NativeFailure } from '../../native/binding.js';

/** What can be read of a device's memory, and whether that of its clients could be. */
export interface MemoryFacts extends MemoryAnswers {
  readonly device: XeDevice;
  readonly from: 'debugfs' | 'render node';
  /** Open drm files of clients that were tried, without those closed meanwhile, and how many of them may be read. */
  readonly tried: number;
  readonly readable: number;
}

/** A device that works answers within milliseconds. */
const DEADLINE_MS = 2_000;
/** A sample that tells as much as all of them. */
const MOST_FILES = 64;

/** Reads the regions of one device once, as the exporter would: a sleeping one is not woken, one that hangs not waited for. */
export async function readMemory(
  native: NativeAddon,
  config: Config,
  device: XeDevice,
  files: readonly DrmFd[],
): Promise<MemoryFacts> {
  const reader = new NativeMemoryReader({ native, ...config });
  const memory = new DeviceMemory(device, reader, () => performance.now());
  if ((await withDeadline(DEADLINE_MS, memory.read(['regions']))) === TIMED_OUT) memory.giveUp();
  const { hung, regions, regionsRefusal } = memory;
  const results = files
    .filter(({ minor }) => minor === device.renderMinor || minor === device.cardMinor)
    .slice(0, MOST_FILES)
    .map((file) => openFdinfo(config.procRoot, file));
  const refusals = results.filter((result) => typeof result === 'object');
  const readable = results.filter((result) => result === 'open').length;
  return {
    device,
    from: reader.regionsFrom(device),
    hung,
    regions,
    regionsRefusal,
    clientRefusal: refusals[0],
    tried: readable + refusals.length,
    readable,
  };
}

/** The kernel checks the right to read at open(2) (fs/proc/fd.c, Linux 5.14 to 7.2); only read(2) asks the driver, and can wake the GPU or hang. */
function openFdinfo(procRoot: string, { pid, fd }: DrmFd): 'open' | 'gone' | NativeFailure {
  try {
    closeSync(openSync(join(procRoot, String(pid), 'fdinfo', String(fd)), 'r'));
    return 'open';
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') return 'gone';
    return { operation: 'open of fdinfo', errno: constants.errno[code] };
  }
}
