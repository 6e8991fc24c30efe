import { ATTRIBUTE } from '../../names.js';
import { errnoName, isRebindOom } from '../../wire/errno.js';

/** The driver stopped a VM of the job. */
export interface VmError {
  /** The process that lost it, in our own pid namespace; undefined where nobody can tell. */
  readonly pid: number | undefined;
  /** Negative, as in the kernel; 0 where the source does not say. */
  readonly errorCode: number;
}

/** Told about every VM of the job that the driver stops. */
export type OnVmError = (error: VmError) => void;

/** What hears of the job's errors. */
export interface Ears {
  /** What has to be known about whose errors count as the job's, as a sentence; undefined where only its own do. */
  readonly caveat?: string | undefined;
  /**
   * The job has failed: resolves when nothing can be on its way any more about why, or at the latest after a few seconds.
   */
  lastWords(): Promise<void>;
}

/** Whether the GPU's memory was exhausted. Without an error code it most likely was: the trace tells of rebind failures only. */
export function isOutOfMemory({ errorCode }: VmError): boolean {
  return errorCode === 0 || isRebindOom(errorCode);
}

/** "a GPU VM of process 123 (ENOMEM)". */
export function describe({ pid, errorCode }: VmError): string {
  const whose = pid === undefined ? 'the job' : `process ${pid}`;
  return `a GPU VM of ${whose}${errorCode === 0 ? '' : ` (${errnoName(errorCode)})`}`;
}

/** The VM error in a record of the exporter; undefined for what is none. */
export function vmErrorOf(data: string): VmError | undefined {
  let attributes: Readonly<Record<string, unknown>> | null | undefined;
  try {
    ({ attributes } = JSON.parse(data) as { attributes?: Readonly<Record<string, unknown>> | null });
  } catch {
    return undefined;
  }
  if (typeof attributes !== 'object' || attributes === null) return undefined;
  // The trace names the process and has no error code.
  const { [ATTRIBUTE.pid]: pid, [ATTRIBUTE.vmErrno]: errorCode = 0 } = attributes;
  if (typeof errorCode !== 'number') return undefined;
  return { pid: typeof pid === 'number' ? pid : undefined, errorCode };
}
