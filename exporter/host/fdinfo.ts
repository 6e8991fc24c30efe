import { join } from 'node:path';
import type { DrmFd, NativeAddon, NativeFailure } from '../native/binding.js';

/** What identifies a drm client (Documentation/gpu/drm-usage-stats.rst). */
export interface DrmFdinfo {
  /** `drm-driver`, e.g. `xe`. */
  readonly driver: string;
  /** `drm-client-id`. */
  readonly clientId: number;
}

/** Why a file could not be read (EACCES, ENOENT, ESRCH; `cancelled`), or undefined if it is no longer a drm file. */
export type DrmFdinfoAnswer = DrmFdinfo | NativeFailure | undefined;

/** Reads in flight. */
export interface DrmFdinfoReads {
  /** Resolves after the last answer; does not keep the event loop alive. */
  readonly done: Promise<void>;
  /** Answers at once for the files whose read has not begun. */
  readonly cancel: () => void;
}

/**
 * Reads which clients drm files belong to, one after the other. On xe this resumes the GPU and can wait for queues
 * being torn down, for ever while the GPU hangs. So it happens once per new client, never on the event path and never
 * on a schedule, and on a thread of its own that nobody waits for: a few of these reads would occupy all of libuv's
 * pool.
 */
export function readDrmFdinfo(
  { startReads }: Pick<NativeAddon, 'startReads'>,
  procRoot: string,
  files: readonly Pick<DrmFd, 'pid' | 'fd'>[],
  onAnswer: (index: number, answer: DrmFdinfoAnswer) => void,
): DrmFdinfoReads {
  const paths = files.map(({ pid, fd }) => join(procRoot, String(pid), 'fdinfo', String(fd)));
  let cancel = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    if (paths.length === 0) return resolve();
    const started = startReads(
      paths.map((path) => ({ kind: 'file', path })),
      (index, result) => {
        onAnswer(index, 'errno' in result ? result : parseDrmFdinfo(Buffer.from(result).toString('latin1')));
        if (index === paths.length - 1) resolve();
      },
    );
    if (typeof started === 'function') cancel = started;
    else {
      paths.forEach((_, index) => onAnswer(index, started));
      resolve();
    }
  });
  return { done, cancel };
}

/** Parses `key:\tvalue` lines; undefined unless driver and client id are present. */
export function parseDrmFdinfo(text: string): DrmFdinfo | undefined {
  const value = (key: string): string | undefined => new RegExp(`^${key}:[ \\t]*(\\S+)[ \\t]*$`, 'm').exec(text)?.[1];
  const driver = value('drm-driver');
  const clientId = Number(/^\d+$/.exec(value('drm-client-id') ?? '')?.[0] ?? NaN);
  if (driver === undefined || !Number.isSafeInteger(clientId)) return undefined;
  return { driver, clientId };
}
