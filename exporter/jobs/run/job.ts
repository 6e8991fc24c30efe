import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { codedError, type CodedError } from '../../errors.js';
import { quote } from '../../config/problem.js';

/** How a job ended: by an exit code or by a signal. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A job that runs, in our own process group and with our own terminal, so that job control reaches both alike. */
export interface Job {
  readonly pid: number;
  /** @throws nothing once the job has started */
  readonly ended: Promise<Ending>;
}

/** What the shell says in its exit code when the kernel does not run a command. */
const NOT_FOUND: readonly string[] = ['ENOENT', 'ENOTDIR'];

/**
 * Starts a job.
 *
 * @param words the command, found through PATH, and its arguments
 * @throws CodedError XEE_JOB_NOT_FOUND or XEE_JOB_NOT_EXECUTABLE
 */
export async function startJob(words: readonly string[], env: NodeJS.ProcessEnv): Promise<Job> {
  const [command = '', ...args] = words;
  const child = spawn(command, args, { stdio: 'inherit', env });
  const ended = new Promise<Ending>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  if (child.pid !== undefined) return { pid: child.pid, ended };
  const [error] = await new Promise<[NodeJS.ErrnoException]>((resolve) =>
    child.once('error', (cause: NodeJS.ErrnoException) => resolve([cause])),
  );
  throw notStarted(command, error);
}

function notStarted(command: string, cause: NodeJS.ErrnoException): CodedError {
  const details = { command: quote(command), errno: cause.code ?? cause.message };
  return NOT_FOUND.includes(details.errno)
    ? codedError('XEE_JOB_NOT_FOUND', details, { cause })
    : codedError('XEE_JOB_NOT_EXECUTABLE', details, { cause });
}

/** The exit code a shell gives for an ending. */
export function exitCodeOf({ code, signal }: Ending): number {
  return signal === null ? (code ?? 0) : 128 + constants.signals[signal];
}
