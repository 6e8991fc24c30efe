import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import type { Config } from '../../config/schema.js';
import type { NativeAddon, NativeResult } from '../../native/binding.js';

/** What is there under a name; `seen` is the error where nothing can be said. */
export type FileFacts =
  | { readonly mode: number; readonly uid: number; readonly isSocket: boolean; readonly isFolder: boolean }
  | { readonly seen: string };

/** The jobs' socket as it is on this machine, whoever made it. */
export interface JobsFacts {
  readonly path: string;
  readonly stateFile: string | undefined;
  readonly socket: FileFacts;
  /** What became of connecting to it: undefined = somebody took the connection. */
  readonly refusal: string | undefined;
  /** The folder of the socket and those above it, the nearest first. */
  readonly folders: readonly { readonly path: string; readonly is: FileFacts }[];
  /** Type of the file system that the folder is in; undefined = procfs does not say. */
  readonly filesystem: string | undefined;
  /** Whether the kernel can say who has connected; undefined = it can, or that was not tried. */
  readonly identification: NativeResult;
}

const CONNECT_DEADLINE_MS = 2_000;

/** Looks at the socket, and connects to it once without asking anything. @returns undefined where no socket is wanted */
export async function readJobsSocket(
  { jobsSocket: path, jobsStateFile: stateFile, procRoot }: Pick<Config, 'jobsSocket' | 'jobsStateFile' | 'procRoot'>,
  native: Pick<NativeAddon, 'PeerListener'> | undefined,
): Promise<JobsFacts | undefined> {
  if (path === undefined) return undefined;
  const folders = above(path).map((folder) => ({ path: folder, is: look(folder) }));
  return {
    path,
    stateFile,
    socket: look(path),
    refusal: await tryToConnect(path),
    folders,
    filesystem: filesystemOf(folders.find(({ is }) => 'mode' in is)?.path ?? '/', procRoot),
    identification: native && identification(native, procRoot),
  };
}

function above(path: string): string[] {
  const folders: string[] = [];
  for (let folder = dirname(path); folder !== folders.at(-1); folder = dirname(folder)) folders.push(folder);
  return folders;
}

function look(path: string): FileFacts {
  try {
    const stats = statSync(path);
    return { mode: stats.mode, uid: stats.uid, isSocket: stats.isSocket(), isFolder: stats.isDirectory() };
  } catch (error) {
    return { seen: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
}

function tryToConnect(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (refusal: string | undefined): void => {
      socket.destroy();
      resolve(refusal);
    };
    socket.setTimeout(CONNECT_DEADLINE_MS, () => end('ETIMEDOUT'));
    socket.once('connect', () => end(undefined));
    socket.once('error', ({ code, message }: NodeJS.ErrnoException) => end(code ?? message));
  });
}

/** Of the last mount on the longest of the folders that the path is in (proc_pid_mountinfo(5)). */
function filesystemOf(path: string, procRoot: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(join(procRoot, 'self/mountinfo'), 'utf8');
  } catch {
    return undefined;
  }
  let found: { readonly on: string; readonly type: string | undefined } | undefined;
  for (const line of text.split('\n')) {
    const [, on, type] = /^(?:\S+ ){4}(\S+) .* - (\S+) /.exec(line) ?? [];
    if (on === undefined || !(on === '/' || path === on || path.startsWith(`${on}/`))) continue;
    if (found === undefined || on.length >= found.on.length) found = { on, type };
  }
  return found?.type;
}

/** The socket is not made for it: the addon tries on a pair of its own before it binds a name, and here there is none to bind. */
function identification({ PeerListener }: Pick<NativeAddon, 'PeerListener'>, procRoot: string): NativeResult {
  const listener = new PeerListener({ path: NOWHERE, procRoot, onReady: () => undefined });
  const failure = listener.open();
  listener.close();
  return failure?.operation === 'peer_pidfd' ? failure : undefined;
}

/** A name in a folder that cannot be. */
const NOWHERE = '/dev/null/jobs.sock';
