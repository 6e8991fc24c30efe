import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { XeDevice } from '../../host/device.js';
import type { NativeAddon, NativeDirectoryWatch } from '../../native/binding.js';

/** An open is told before the opener has the descriptor: how long to wait before each look. */
const WAITS_MS = [0, 2, 10, 50, 250];

/** On a busy node most opens are somebody else's. Looks that find nothing of ours are this far apart in the end. */
const MOST_APART_MS = 1_000;

export interface GpuOpensOptions {
  readonly native: Pick<NativeAddon, 'DirectoryWatch'>;
  readonly devRoot: string;
  /** The devices of the node now. */
  readonly devices: () => readonly XeDevice[];
  /** Looks for files of the job. @returns whether there was a new one; must not reject */
  readonly look: () => Promise<boolean>;
}

/**
 * Has the job looked at when somebody opens a GPU. Between opens nothing runs: inotify on the device nodes tells of them, and
 * needs no privilege beyond the right to read the node, which the job needs as well.
 */
export class GpuOpens {
  readonly #options: GpuOpensOptions;
  #watch: NativeDirectoryWatch | undefined;
  #step = 0;
  #apartMs = 0;
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: GpuOpensOptions) {
    this.#options = options;
  }

  /** Looks once, and from now on whenever a GPU is opened. @returns false where opens cannot be noticed */
  start(): boolean {
    const watching = this.#open();
    if (watching) this.#begin();
    return watching;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    await this.#looking;
  }

  #open(): boolean {
    const { native, devRoot, devices } = this.#options;
    this.#watch?.close();
    const folder = join(devRoot, 'dri');
    const files = devices().flatMap(({ card, render }) =>
      [card, render].filter((name) => name !== undefined).map((name) => join(folder, name)),
    );
    this.#watch = new native.DirectoryWatch({ path: folder, files, onReady: () => this.#begin() });
    return this.#watch.open() === undefined;
  }

  /** Changes are taken before each look and not as they come: a neighbour that opens all the time costs no more than that. */
  #begin(): void {
    this.#step = 0;
    this.#looking ??= this.#lookAgainAndAgain().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookAgainAndAgain(): Promise<void> {
    while (!this.#stopped && this.#step < WAITS_MS.length) {
      await sleep(Math.max(WAITS_MS[this.#step++]!, this.#apartMs));
      this.#take();
      const found = await this.#options.look();
      this.#apartMs = found ? 0 : Math.min(MOST_APART_MS, Math.max(1, this.#apartMs * 2));
    }
    this.#apartMs = 0;
  }

  #take(): void {
    if (this.#watch === undefined || this.#stopped) return;
    const { created, opened, overflow } = this.#watch.drain();
    // A driver that was bound again has new nodes.
    if (created.length > 0) this.#open();
    if (created.length > 0 || opened || overflow) this.#step = Math.min(this.#step, 1);
  }
}
