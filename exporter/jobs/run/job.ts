import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { codedError, type CodedError } from '../../errors.js';
import { quote } from '../../config/problem.js';
import type { SignalRelay } from './signals.js';

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

export interface JobStart {
  /** The command, found through PATH, and its arguments. */
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly attempt: number;
  /** From the first moment of the job on, signals are passed on to it. */
  readonly relay: SignalRelay;
}

/**
 * Starts a job, before the first turn of the event loop.
 *
 * @throws CodedError XEE_JOB_NOT_FOUND or XEE_JOB_NOT_EXECUTABLE
 */
export async function startJob({ words, env, attempt, relay }: JobStart): Promise<Job> {
  const [command = '', ...args] = words;
  const child = spawn(command, args, { stdio: 'inherit', env: { ...env, ...attemptVariables(attempt) } });
  relay.target = child.pid;
  const ended = new Promise<Ending>((resolve) =>
    child.once('exit', (code, signal) => {
      relay.target = undefined;
      resolve({ code, signal });
    }),
  );
  if (child.pid !== undefined) return { pid: child.pid, ended };
  const [error] = await new Promise<[NodeJS.ErrnoException]>((resolve) =>
    child.once('error', (cause: NodeJS.ErrnoException) => resolve([cause])),
  );
  throw notStarted(command, error);
}

/** 1 at first, then half of it each time. */
export function scaleOf(attempt: number): number {
  return 1 / 2 ** (attempt - 1);
}

/** What the job learns of its attempt. */
function attemptVariables(attempt: number): Record<string, string> {
  return { XE_EXPORTER_RUN_ATTEMPT: String(attempt), XE_EXPORTER_RUN_SCALE: String(scaleOf(attempt)) };
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
