import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * The directories `client-<drm-client-id>` below `<debugfs>/dri`, one for each open file of every DRM driver, with a
 * link `device` and a file `proc_info` (drivers/gpu/drm/drm_debugfs.c, Linux 7.2; not in 6.12). Reading them wakes no
 * GPU and waits for nothing, so all of this is synchronous. Kernel 7.2 makes the directory first, then the file, then
 * the link.
 */
export class DrmClientDirectory {
  readonly path: string;

  /** @param debugfsRoot where debugfs is mounted, normally `/sys/kernel/debug` */
  constructor(debugfsRoot: string) {
    this.path = join(debugfsRoot, 'dri');
  }

  /** Whether the directory exists. Does not use access(2), which ignores the capabilities of users other than root. */
  exists(): boolean {
    try {
      return statSync(this.path).isDirectory();
    } catch {
      return false;
    }
  }

  /** Ids of all clients. @throws the file system's error */
  list(): Set<number> {
    return new Set(readdirSync(this.path).flatMap((name) => drmClientIdOf(name) ?? []));
  }

  /**
   * PCI address, or another name the driver uses; undefined when the client is gone or its directory is not complete
   * yet.
   */
  deviceOf(drmClientId: number): string | undefined {
    try {
      return basename(readlinkSync(join(this.path, `client-${drmClientId}`, 'device')));
    } catch {
      return undefined;
    }
  }

  /**
   * The process the kernel has on record for a client: the one that opened it, or the last one that sent an ioctl. A pid in the
   * initial pid namespace, 0 when that process is gone; undefined when the client is gone.
   */
  pidOf(drmClientId: number): number | undefined {
    try {
      return parsePid(readFileSync(join(this.path, `client-${drmClientId}`, 'proc_info'), 'utf8'));
    } catch {
      return undefined;
    }
  }
}

/** The id in a name `client-<id>`; undefined for anything else in that directory. */
export function drmClientIdOf(name: string): number | undefined {
  const id = Number(/^client-(\d{1,16})$/.exec(name)?.[1] ?? NaN);
  return Number.isSafeInteger(id) ? id : undefined;
}

/** Parses the line `pid: N`; the line `comm: X` beside it may hold anything but a line end. */
function parsePid(text: string): number | undefined {
  const pid = /^pid: (\d{1,10})$/m.exec(text)?.[1];
  return pid === undefined ? undefined : Number(pid);
}
