import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

/** What `npm start` gives Node. A small heap and one worker of V8 keep 8 MiB out of the process. */
export const NODE_OPTIONS: readonly string[] = ['--v8-pool-size=1', '--optimize-for-size'];

/** The built program as `npm start` runs it. */
export const PROGRAM: readonly string[] = [
  ...NODE_OPTIONS,
  fileURLToPath(new URL('../../exporter/main.js', import.meta.url)),
];

/** Followed by a port and a number of series: a server of metrics that has the exporter's libraries and nothing else. */
export const BARE_SERVER: readonly string[] = [
  ...NODE_OPTIONS,
  fileURLToPath(new URL('children/bare-server.js', import.meta.url)),
];

/** USER_HZ, the unit of times in /proc: 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds of all threads of a process so far, in steps of 10 ms. */
export async function processTime(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold anything; the times are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export interface ProcessMemory {
  /** MiB now and at most ever. */
  readonly rss: number;
  /** Neither shared with other processes nor backed by a file. */
  readonly anonymous: number;
  readonly peak: number;
}

export async function processMemory(pid: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? NaN) / 1024;
  return { rss: field('VmRSS'), anonymous: field('RssAnon'), peak: field('VmHWM') };
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** A Node process without a say of ours in its environment. */
export function spawnNode(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OTEL_|XE_EXPORTER_)/.test(name)));
  return spawn(process.execPath, args, { stdio: 'ignore', env, ...options });
}

/** CPU of a process in milliseconds a second, while something is done. */
export async function cpuPerSecond(pid: number, work: () => Promise<unknown>): Promise<number> {
  const [begin, before] = [performance.now(), await processTime(pid)];
  await work();
  return (((await processTime(pid)) - before) / ((performance.now() - begin) / 1000)) * 1000;
}
