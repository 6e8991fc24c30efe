// Boots the test kernel of build.sh as an ordinary process and runs one command in it. Host side.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface GuestOptions {
  /** The path build.sh printed. */
  image: string;
  /** guest/init of the source tree: process 1. */
  init: string;
  /** Run as root, in the host's own file system (read-only). */
  command: readonly string[];
  /** More of the kernel command line, such as "xestub.watch_nr=0x10". */
  kernelArgs?: readonly string[];
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Host folders the command needs; the guest sees all of the host except what its own /tmp, /run and /dev/shm cover. */
  readable?: readonly string[];
  /** Host folders that the guest may write to. */
  writable?: readonly string[];
  memoryMiB?: number;
  timeoutMs?: number;
  /** Called with output as it comes; it is in the result as well. */
  onOutput?: (text: string) => void;
}

export interface GuestResult {
  /** null when the kernel ended without saying how its command ended: a panic, or the timeout. */
  exitCode: number | null;
  /** Standard output and standard error of the command, and what the kernel itself found alarming. */
  stdout: string;
  timedOut: boolean;
}

const EXIT_LINE = /^guest exit code: (\d+)$/m;

export async function bootGuest(options: GuestOptions): Promise<GuestResult> {
  const dir = mkdtempSync(join(tmpdir(), 'xe-guest-'));
  try {
    writeFileSync(join(dir, 'command'), commandScript(options));
    return await runGuest(options.image, kernelCommandLine(options, dir), options);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

// A script and not the kernel command line, which is short and splits at blanks.
export function commandScript({
  command,
  cwd = process.cwd(),
  env = {},
}: Pick<GuestOptions, 'command' | 'cwd' | 'env'>): string {
  const variables = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: '/tmp', NO_COLOR: '1', ...env };
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`);
  return [...exports, `cd ${quote(cwd)}`, `exec ${command.map(quote).join(' ')}`, ''].join('\n');
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function kernelCommandLine(options: GuestOptions, dir: string): string[] {
  const { init, kernelArgs = [], readable = [], writable = [], memoryMiB = 512 } = options;
  for (const path of [init, dir, ...readable, ...writable]) {
    if (/[\s,]/.test(path)) throw new Error(`a path with a blank or a comma cannot be passed to the guest: ${path}`);
  }
  return [
    `mem=${memoryMiB}M`,
    // Otherwise a guest that was killed leaves a folder in the home directory.
    `uml_dir=${join(dir, 'uml')}`,
    'root=none',
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    `init=${init}`,
    'con=null',
    'con0=null,fd:1',
    // Nothing less than a panic or an oops on the console, which is the standard output of the tests. In this order:
    // quiet alone lets errors through, and both set the same number.
    'quiet',
    'loglevel=2',
    ...kernelArgs,
    `xe_test_dir=${dir}`,
    ...(readable.length > 0 ? [`xe_test_readable=${readable.join(',')}`] : []),
    ...(writable.length > 0 ? [`xe_test_writable=${writable.join(',')}`] : []),
  ];
}

/** Runs a program that is a guest, whose standard output is the guest's console, until it ends. */
export function runGuest(
  program: string,
  args: readonly string[],
  { timeoutMs = 60_000, onOutput }: Pick<GuestOptions, 'timeoutMs' | 'onOutput'>,
): Promise<GuestResult> {
  return new Promise((resolve, reject) => {
    // A group of its own, because user-mode Linux keeps a host process for every address space of the guest.
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    let output = '';
    let timedOut = false;
    // Nothing gentler works: SIGTERM makes the kernel panic or spin.
    const kill = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has just ended by itself.
      }
    };
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, timeoutMs);
    // Being detached, it would outlive us.
    process.once('exit', kill);

    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      output += text;
      onOutput?.(text);
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      process.off('exit', kill);
      reject(error);
    });
    child.on('close', () => {
      clearTimeout(timer);
      process.off('exit', kill);
      resolve({ ...splitExitLine(output), timedOut });
    });
  });
}

function splitExitLine(output: string): { exitCode: number | null; stdout: string } {
  const match = EXIT_LINE.exec(output);
  if (match === null) return { exitCode: null, stdout: output };
  return { exitCode: Number(match[1]), stdout: output.slice(0, match.index) };
}
