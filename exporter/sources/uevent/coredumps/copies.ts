import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import type { EventDetails } from '../../../events/device-event.js';
import type { XeDevice } from '../../../host/device.js';
import { ATTRIBUTE, type CoredumpCopyResult } from '../../../names.js';
import type { DeviceRead, NativeAddon, NativeFailure } from '../../../native/binding.js';
import { TIMED_OUT, withDeadline } from '../../../time/deadline.js';
import { DEVCOREDUMP_HEAD_BYTES, devcoredumpHead } from '../../../wire/devcoredump.js';
import { errnoName, errnoNumber } from '../../../wire/errno.js';
import { detailsOf } from '../devcoredump.js';
import { copyName, COPIES_AT_A_TIME, type CoredumpFolder } from './folder.js';

export interface CoredumpCopiesOptions {
  readonly native: Pick<NativeAddon, 'startReads'>;
  readonly folder: CoredumpFolder;
  /** Tells of a copy that is done or has failed: attributes of the log event, and the errno of a failure, negative. */
  readonly onCopy: (device: XeDevice, details: EventDetails, errorCode: number) => void;
  readonly count: (result: CoredumpCopyResult, copies: number) => void;
  readonly limits?: Partial<CopyLimits>;
}

export interface CopyLimits {
  /** Of one copy. The largest takes half a minute, and delays nobody by more disk than that. */
  readonly bytesPerSecond: bigint;
  /** What the driver has not captured by then is given up. */
  readonly deadlineMs: number;
  readonly maxWaiting: number;
}

const DEFAULTS: CopyLimits = { bytesPerSecond: 8n << 20n, deadlineMs: 10 * 60_000, maxWaiting: 64 };

/** A dump that the kernel keeps. */
interface Dump {
  /** Its folder in sysfs, where that is mounted. */
  readonly folder: string;
  readonly device: XeDevice;
}

const { EBUSY, ECANCELED, EIO, ENOSPC, ETIMEDOUT } = constants.errno;

/**
 * Copies coredumps while the kernel keeps them, which is an hour. Only reads there: a write would delete the dump. Reads run on native
 * threads, because the driver has a read wait until it has captured everything. A dump that was copied before is left alone.
 */
export class CoredumpCopies {
  readonly #options: CoredumpCopiesOptions;
  readonly #limits: CopyLimits;
  readonly #waiting: Dump[] = [];
  readonly #running = new Set<Promise<void>>();
  /** Those that wait or run: a dump can be announced while it is found, too. */
  readonly #taken = new Set<string>();
  readonly #stopping = new AbortController();

  constructor(options: CoredumpCopiesOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULTS, ...options.limits };
  }

  /** Copies the dumps that are there already: an exporter that was restarted has missed their uevent. */
  addPresent(sysRoot: string, deviceOf: (folder: string) => XeDevice | undefined): void {
    for (const folder of presentDumps(sysRoot)) {
      const device = deviceOf(folder);
      if (device !== undefined) this.add({ folder, device });
    }
  }

  add(dump: Dump): void {
    const name = basename(dump.folder);
    if (this.#taken.has(name)) return;
    if (this.#waiting.length >= this.#limits.maxWaiting) return this.#failed(dump, 'wait', EBUSY);
    this.#taken.add(name);
    this.#waiting.push(dump);
    this.#next();
  }

  /** Ends what is under way; the next start copies it, if the kernel still has it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#waiting.length = 0;
    await Promise.all(this.#running);
  }

  #next(): void {
    if (this.#running.size >= COPIES_AT_A_TIME) return;
    const dump = this.#waiting.shift();
    if (dump === undefined) return;
    const running: Promise<void> = this.#copy(dump)
      .catch((error: NodeJS.ErrnoException) =>
        this.#failed(dump, error.syscall ?? 'copy', errnoNumber(error.code ?? '') ?? EIO),
      )
      .finally(() => {
        this.#running.delete(running);
        this.#taken.delete(basename(dump.folder));
        this.#next();
      });
    this.#running.add(running);
  }

  async #copy(dump: Dump): Promise<void> {
    const { folder } = this.#options;
    const data = join(dump.folder, 'data');
    const start = await this.#ask({ kind: 'file', path: data });
    if ('errno' in start) return this.#failed(dump, start.operation, start.errno);
    const head = devcoredumpHead(Buffer.from(start.subarray(0, DEVCOREDUMP_HEAD_BYTES)).toString('utf8'));
    const name = copyName(head, dump.device.pciBdf, Date.now());
    if (await folder.has(name)) return;
    if (!(await folder.hasRoom())) return this.#failed(dump, 'make room', ENOSPC);
    const to = folder.partial(basename(dump.folder));
    const mostBytes = BigInt(folder.maxCopyBytes);
    const { bytesPerSecond } = this.#limits;
    const answer = await this.#ask({ kind: 'copy', path: data, to, mostBytes, bytesPerSecond });
    if ('errno' in answer) {
      await folder.discard(to);
      return this.#failed(dump, answer.operation, answer.errno);
    }
    const { path, bytes, removed } = await folder.keep(to, name);
    const isCut = Buffer.from(answer).toString() === 'cut';
    this.#options.count(isCut ? 'truncated' : 'copied', 1);
    if (removed > 0) this.#options.count('removed', removed);
    this.#tell(dump, 0, {
      ...detailsOf(head),
      [ATTRIBUTE.devcoredumpCopy]: path,
      [ATTRIBUTE.devcoredumpCopySize]: bytes,
      ...(isCut && { [ATTRIBUTE.devcoredumpTruncated]: true }),
    });
  }

  /** One read on a native thread, which is left alone when it does not return in time. */
  async #ask(read: DeviceRead): Promise<Uint8Array | NativeFailure> {
    if (this.#stopping.signal.aborted) return { operation: 'cancelled', errno: ECANCELED };
    let cancel: (() => void) | NativeFailure = () => undefined;
    const answer = new Promise<Uint8Array | NativeFailure>((resolve) => {
      cancel = this.#options.native.startReads([read], (_index, result) => resolve(result));
      if (typeof cancel !== 'function') resolve(cancel);
    });
    const outcome = await withDeadline(this.#limits.deadlineMs, answer, this.#stopping.signal);
    if (outcome !== TIMED_OUT) return outcome;
    if (typeof cancel === 'function') (cancel as () => void)();
    return { operation: read.kind === 'copy' ? 'copy' : 'read', errno: ETIMEDOUT };
  }

  #failed(dump: Dump, operation: string, errno: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#options.count('failed', 1);
    const error = `${operation} ended with ${errnoName(errno)}`;
    this.#tell(dump, -errno, { [ATTRIBUTE.devcoredumpCopyError]: error });
  }

  #tell({ folder, device }: Dump, errorCode: number, details: EventDetails): void {
    const path = `/sys/devices/virtual/devcoredump/${basename(folder)}/data`;
    this.#options.onCopy(device, { [ATTRIBUTE.devcoredumpPath]: path, ...details }, errorCode);
  }
}

function presentDumps(sysRoot: string): string[] {
  const parent = join(sysRoot, 'class/devcoredump');
  try {
    return readdirSync(parent)
      .filter((name) => /^devcd\d{1,10}$/.test(name))
      .map((name) => join(parent, name));
  } catch {
    return [];
  }
}
