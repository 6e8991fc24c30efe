import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { IN_CGROUP } from '../helpers/cgroups.js';
import { waitFor } from '../helpers/wait-for.js';

/** One version of the kernel's memory controller: where it is, and its files. */
interface Controller {
  readonly mount: string;
  /** Of this process below the mount, from /proc/self/cgroup. */
  readonly own: RegExp;
  readonly limit: string;
  readonly peak: string;
  /** Set as well where they are there, so that the limit is not got round by swapping. */
  readonly noSwap: readonly [file: string, value: (limit: number) => number];
}

const CONTROLLERS: readonly Controller[] = [
  {
    mount: '/sys/fs/cgroup',
    own: /^0::(.*)$/m,
    limit: 'memory.max',
    peak: 'memory.peak',
    noSwap: ['memory.swap.max', () => 0],
  },
  {
    mount: '/sys/fs/cgroup/memory',
    own: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m,
    limit: 'memory.limit_in_bytes',
    peak: 'memory.max_usage_in_bytes',
    noSwap: ['memory.memsw.limit_in_bytes', (limit) => limit],
  },
];

let made = 0;

/** A cgroup whose processes may have so much memory and no more, as the kubelet makes one of a container. */
export class MemoryCgroup {
  readonly #folder: string;
  readonly #controller: Controller;

  private constructor(folder: string, controller: Controller) {
    this.#folder = folder;
    this.#controller = controller;
  }

  /** @returns why this process may make none, where it may not */
  static make(mebibytes: number): MemoryCgroup | string {
    const reasons: string[] = [];
    for (const controller of CONTROLLERS) {
      const own = controller.own.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
      if (own === undefined) continue;
      // The cgroup v2 of a process can have none below it that limit memory: those stand beside it.
      for (const parent of new Set([own, dirname(own), '/'])) {
        const folder = join(controller.mount, parent, `xe-exporter-test-${process.pid}-${made++}`);
        try {
          mkdirSync(folder);
        } catch (error) {
          reasons.push((error as Error).message);
          continue;
        }
        const cgroup = new MemoryCgroup(folder, controller);
        if (cgroup.#allow(mebibytes * 2 ** 20)) return cgroup;
        reasons.push(`${folder} has no ${controller.limit}`);
        rmdirSync(folder);
      }
    }
    return `no cgroup with a limit of memory can be made here: ${reasons.join('; ') || 'none is mounted'}`;
  }

  /** A program that starts another one in it. */
  get launcher(): readonly string[] {
    return [...IN_CGROUP, this.#folder];
  }

  /** The most memory that its processes had together, in MiB, with what the kernel holds for them; undefined before Linux 5.19. */
  get peak(): number | undefined {
    const file = join(this.#folder, this.#controller.peak);
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) / 2 ** 20 : undefined;
  }

  #allow(bytes: number): boolean {
    const file = join(this.#folder, this.#controller.limit);
    if (!existsSync(file)) return false;
    writeFileSync(file, String(bytes));
    const [swap, value] = this.#controller.noSwap;
    if (existsSync(join(this.#folder, swap))) writeFileSync(join(this.#folder, swap), String(value(bytes)));
    return true;
  }

  /** Waits for the end of its processes. */
  async remove(): Promise<void> {
    const isGone = (): boolean => {
      try {
        rmdirSync(this.#folder);
        return true;
      } catch {
        return false;
      }
    };
    await waitFor(isGone, { what: `the end of all processes in ${this.#folder}` });
  }
}
