import { DRM_MAJOR, drmMinors, type XeDevice } from '../../host/device.js';
import type { DrmFd, NativeAddon } from '../../native/binding.js';
import type { ProcessTree } from './process-tree.js';

export interface OwnFilesOptions {
  readonly native: Pick<NativeAddon, 'scanDrmFds'>;
  readonly procRoot: string;
  readonly tree: ProcessTree;
  readonly ownPid: number;
}

/** The GPU files that our descendants have open. Opens nothing and wakes no GPU; the walk over /proc is off this thread. */
export async function ownFiles(options: OwnFilesOptions, devices: readonly XeDevice[]): Promise<readonly DrmFd[]> {
  const { native, procRoot, tree, ownPid } = options;
  const { fds } = await native.scanDrmFds(procRoot, DRM_MAJOR, Uint32Array.from(drmMinors(devices)));
  const own = new Set(fds.map(({ pid }) => pid).filter((pid) => tree.isBelow(pid, ownPid)));
  return fds.filter(({ pid }) => own.has(pid));
}
