import { access, constants, lstat, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { DevcoredumpHead } from '../../../wire/devcoredump.js';

/** What the folder holds at most. */
export interface FolderLimits {
  /** Bytes of all copies, those under way included. */
  readonly maxBytes: number;
  readonly maxCopies: number;
}

/** Copies that run at a time. Each takes a quarter of the folder at most; the other half is for those that are done. */
export const COPIES_AT_A_TIME = 2;

/** The part of the file system that stays free, as the kubelet begins to evict pods at a tenth. */
const FREE_PART = 0.15;

/** Only files of this form are ever removed. Sorted by name they are sorted by time. */
const COPY = /^\d{8}T\d{6}\.\d{3}Z_[0-9a-f.-]+_[\w.-]+\.devcoredump$/;
const PARTIAL = /^\.devcd\d{1,10}\.partial$/;

/**
 * The name of a copy: when the driver took the dump, of which GPU, and whose job hung. The same dump always has the same name, unless it
 * does not say when it was taken: then `nowMs` counts. Pure.
 */
export function copyName(head: DevcoredumpHead | undefined, pciBdf: string, nowMs: number): string {
  const { snapshotMs = nowMs, process = 'unknown' } = head ?? {};
  const time = new Date(snapshotMs).toISOString().replace(/[-:]/g, '');
  return `${time}_${pciBdf.replaceAll(':', '-')}_${process.replace(/[^\w.-]/g, '_')}.devcoredump`;
}

/** The folder of `--coredump-dir`. Bounded: the oldest copies make room for new ones. Errors are those of node:fs. */
export class CoredumpFolder {
  readonly path: string;
  readonly #limits: FolderLimits;

  constructor(path: string, limits: FolderLimits) {
    this.path = path;
    this.#limits = limits;
  }

  /** Bytes of one copy at most. */
  get maxCopyBytes(): number {
    return Math.floor(this.#limits.maxBytes / (2 * COPIES_AT_A_TIME));
  }

  /** Makes the folder if need be, and removes what an exporter that was killed has left half done. */
  async prepare(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await access(this.path, constants.W_OK | constants.X_OK);
    for (const name of await readdir(this.path)) if (PARTIAL.test(name)) await this.#remove(name);
  }

  /** Whether the file system has room for another copy. */
  async hasRoom(): Promise<boolean> {
    const { bavail, blocks, bsize } = await statfs(this.path);
    return bavail * bsize - this.maxCopyBytes > blocks * bsize * FREE_PART;
  }

  async has(name: string): Promise<boolean> {
    return stat(join(this.path, name)).then(
      () => true,
      () => false,
    );
  }

  /** Where a copy is written before it is whole. @param dump such as `devcd3` */
  partial(dump: string): string {
    return join(this.path, `.${dump}.partial`);
  }

  async discard(partial: string): Promise<void> {
    await unlink(partial).catch(() => undefined);
  }

  /** Gives a finished copy its name, and has the oldest ones make room for it. @returns its path and size, and how many made room */
  async keep(partial: string, name: string): Promise<{ path: string; bytes: number; removed: number }> {
    const path = join(this.path, name);
    await rename(partial, path);
    const folder = await open(this.path);
    await folder.sync().finally(() => folder.close());
    const { size } = await stat(path);
    return { path, bytes: size, removed: await this.#makeRoom(name) };
  }

  async #makeRoom(newest: string): Promise<number> {
    const names = (await readdir(this.path)).filter((name) => COPY.test(name)).sort();
    const sizes = new Map<string, number>();
    for (const name of names) {
      const entry = await lstat(join(this.path, name));
      if (entry.isFile()) sizes.set(name, entry.size);
    }
    const { maxBytes, maxCopies } = this.#limits;
    let bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    let removed = 0;
    for (const [name, size] of sizes) {
      if (bytes <= maxBytes / 2 && sizes.size - removed <= maxCopies) break;
      if (name === newest) continue;
      await this.#remove(name);
      bytes -= size;
      removed++;
    }
    return removed;
  }

  #remove(name: string): Promise<void> {
    return unlink(join(this.path, name));
  }
}
