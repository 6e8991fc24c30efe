// What a scenario uses inside the guest: the control file of the stub driver and the client program.
import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export const GPU0 = '0000:03:00.0';
export const GPU1 = '0000:04:00.0';
export const RENDER0 = '/dev/dri/renderD128';
export const RENDER1 = '/dev/dri/renderD129';

const DEBUGFS = '/sys/kernel/debug/xestub';
const DRIVER = '/sys/bus/pci/drivers/xe';

// --- what the driver is told ---------------------------------------------------------------------------------------

/** Runs commands, one a line, in one write; throws the kernel's errno (ENOENT: no such client or device). */
export function control(...lines: string[]): void {
  writeFileSync(`${DEBUGFS}/control`, lines.join('\n'));
}

export interface VmError {
  client: number;
  vm?: number;
  /** Negative, as in the kernel; -12 (ENOMEM) by default. */
  errno?: number;
  count?: number;
  /** Longer than 16 is what a later kernel may send. */
  length?: number;
  subtype?: number;
  /** Whether the line "VM worker error" appears; by default it does where there is no watch ioctl. */
  log?: boolean;
}

/** Returns when the events are in the pipes of everyone who watches. */
export function postVmError(...errors: VmError[]): void {
  control(...errors.map(vmErrorLine));
}

function vmErrorLine({ client, vm, errno, count, length, subtype, log }: VmError): string {
  const keys = { client, vm, errno, count, len: length, subtype, log: log === undefined ? undefined : Number(log) };
  const pairs = Object.entries(keys).filter(([, value]) => value !== undefined);
  return ['vm_error', ...pairs.map(([key, value]) => `${key}=${value}`)].join(' ');
}

/** Kills a VM for another reason than a failed rebind: no line in the kernel log, no event of the rebind worker. */
export function killVm(client: number, vm = 1): void {
  control(`vm_kill client=${client} vm=${vm}`);
}

/** An engine reset or a memory CAT error of an exec queue, with the line in the kernel log that names its guc_id. */
export function failQueue(event: 'engine_reset' | 'cat_error', client: number, queue = 1): void {
  control(`${event} client=${client} queue=${queue}`);
}

export function wedge(device: string, method = 'rebind,bus-reset'): void {
  control(`wedge device=${device} method=${method}`);
}

/** A line of the kernel log; text is all that follows "xe 0000:03:00.0: ". */
export function kernelLog(device: string, level: number, text: string): void {
  control(`log device=${device} level=${level} text=${text.replaceAll('\n', '\\n')}`);
}

export function coredump(device: string, text: string): void {
  control(`coredump device=${device} text=${text.replaceAll('\n', '\\n')}`);
}

/** What fdinfo says of a client's vram0, or what the device has in use besides its clients. */
export function setVram(of: { client: number } | { device: string }, bytes: number): void {
  control(`memory ${'client' in of ? `client=${of.client}` : `device=${of.device}`} vram=${bytes}`);
}

/** While it is on, whoever reads the fdinfo of a client of the device waits, and not even SIGKILL ends that. */
export function hangFdinfo(device: string, on: boolean): void {
  control(`hang_fdinfo device=${device} on=${Number(on)}`);
}

export function unbindDriver(device: string): void {
  writeFileSync(`${DRIVER}/unbind`, device);
}

export function bindDriver(device: string): void {
  writeFileSync(`${DRIVER}/bind`, device);
  // The nodes are new, and there is no udev to give them their usual mode.
  for (const name of readdirSync(`${DRIVER}/${device}/drm`)) {
    if (name.startsWith('render')) chmodSync(`/dev/dri/${name}`, 0o666);
  }
}

// --- what the driver knows -----------------------------------------------------------------------------------------

export interface DeviceState {
  id: string;
  wedged: number;
  /** How often the device left runtime suspend. */
  wakes: number;
  fdinfo_reads: number;
  /** Driver ioctls other than watch and memory query: an observer must cause none. */
  foreign_ioctls: number;
}

export interface ClientState {
  id: number;
  device: string;
  /** The process that sent the last ioctl. */
  owner: number;
  watches: number;
  vram: number;
}

/** Reading it wakes no device. */
export function driverState(): { devices: DeviceState[]; clients: ClientState[] } {
  const devices: DeviceState[] = [];
  const clients: ClientState[] = [];
  for (const line of readFileSync(`${DEBUGFS}/state`, 'utf8').trimEnd().split('\n')) {
    const [kind, ...pairs] = line.split(' ');
    const state: unknown = Object.fromEntries(pairs.map(parsePair));
    if (kind === 'device') devices.push(state as DeviceState);
    if (kind === 'client') clients.push(state as ClientState);
  }
  return { devices, clients };
}

/** The state of one device. */
export function deviceState(bdf: string): DeviceState {
  const found = driverState().devices.find(({ id }) => id === bdf);
  if (found === undefined) throw new Error(`the driver has no device ${bdf}`);
  return found;
}

function parsePair(pair: string): [string, string | number] {
  const [key = '', value = ''] = pair.split('=');
  return [key, /^\d+$/.test(value) ? Number(value) : value];
}

// --- GPU applications ----------------------------------------------------------------------------------------------

export interface ClientOptions {
  /** Render nodes to open at once; one entry a file. */
  files?: readonly string[];
  uid?: number;
  comm?: string;
  /** Folder of a cgroup that it enters before it does anything else. */
  cgroup?: string;
  /** Its own watch ioctl number and pipe size, for the command "watch". */
  watchNr?: number;
  slots?: number;
  /** In pid, mount, IPC and UTS namespaces of its own. The pid it tells is the one it has in there. */
  container?: boolean;
  /** As a set-user-id program: only CAP_SYS_PTRACE may look into it. */
  undumpable?: boolean;
}

export interface ClientFile {
  k: number;
  /** The drm-client-id. */
  client: number;
}

export interface WatchRecord {
  type: number;
  subtype: number;
  id: number;
  length: number;
  vm?: number;
  error?: number;
}

/** See client.c for the commands and their answers. */
export interface ClientAnswer {
  ok: boolean;
  k?: number;
  client?: number;
  pid?: number;
  vm?: number;
  queue?: number;
  /** How long it took, and how long the process was running meanwhile. */
  seconds?: number;
  cpu?: number;
  records?: WatchRecord[];
  /** CLOCK_MONOTONIC in ns, as text. */
  times?: string[];
  errno?: number;
  error?: string;
  what?: string;
}

type ClientProcess = ChildProcessByStdio<Writable, Readable, null>;

export class GuestClient {
  readonly pid: number;
  readonly files: ClientFile[];
  readonly #child: ClientProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<number | null>;

  constructor(
    ready: { pid: number; files: ClientFile[] },
    child: ClientProcess,
    lines: AsyncIterator<string>,
    exited: Promise<number | null>,
  ) {
    this.pid = ready.pid;
    this.files = ready.files;
    this.#child = child;
    this.#lines = lines;
    this.#exited = exited;
  }

  /** The drm-client-id of its first file. */
  get id(): number {
    const [first] = this.files;
    if (first === undefined) throw new Error('this client has opened no file');
    return first.client;
  }

  /** One command, one answer; wait for it before the next. An answer with ok: false is not thrown. */
  async send(line: string): Promise<ClientAnswer> {
    this.#child.stdin.write(`${line}\n`);
    return (await nextLine(this.#lines)) as ClientAnswer;
  }

  /** The id of a new VM of one of its files; the thread that made it is the process's main thread. */
  async createVm(k = 0): Promise<number> {
    const answer = await this.send(`vm ${k}`);
    if (answer.vm === undefined) throw new Error(`no VM: ${JSON.stringify(answer)}`);
    return answer.vm;
  }

  /** The id of a new exec queue in a VM. */
  async createQueue(vm: number, k = 0): Promise<number> {
    const answer = await this.send(`queue ${k} ${vm}`);
    if (answer.queue === undefined) throw new Error(`no exec queue: ${JSON.stringify(answer)}`);
    return answer.queue;
  }

  /** Resolves when the process is gone, and with it its files. */
  async exit(): Promise<number | null> {
    this.#child.stdin.end();
    return this.#exited;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Returns when the process has given up its files; this thread does nothing else meanwhile. */
  killNow(): void {
    this.#child.kill('SIGKILL');
    const deadline = performance.now() + 30_000;
    while (!isDead(this.pid)) {
      if (performance.now() > deadline) throw new Error(`process ${this.pid} is not dead 30 s after SIGKILL`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** A process that nobody has waited for yet is dead, too: a zombie has closed its files. */
function isDead(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

export async function startClient(options: ClientOptions = {}): Promise<GuestClient> {
  const program = process.env.XE_TEST_CLIENT;
  if (program === undefined) throw new Error('XE_TEST_CLIENT is not set: run this through test/kernel/run.sh');
  const [command = program, ...args] = [
    ...enterCgroup(options),
    ...enterNamespaces(options),
    program,
    ...clientArgs(options),
  ];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.on('exit', resolve);
    child.on('error', reject);
  });
  // Its commands may race its end; the lost answer says so.
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = (await nextLine(lines)) as { ready?: true; pid: number; files: ClientFile[] };
  if (ready.ready !== true) throw new Error(`the client did not start: ${JSON.stringify(ready)}`);
  return new GuestClient(ready, child, lines, exited);
}

/** A client that does not outlive its test. @param vram bytes of vram0 that it holds */
export async function startClientIn(
  t: Pick<TestContext, 'after'>,
  { vram, ...options }: ClientOptions & { vram?: number } = {},
): Promise<GuestClient> {
  const client = await startClient(options);
  t.after(() => client.kill());
  if (vram !== undefined) setVram({ client: client.id }, vram);
  return client;
}

function enterCgroup({ cgroup }: ClientOptions): string[] {
  return cgroup === undefined ? [] : ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup];
}

function enterNamespaces({ container }: ClientOptions): string[] {
  return container === true
    ? ['unshare', '--mount-proc', '--pid', '--fork', '--kill-child', '--ipc', '--uts', '--']
    : [];
}

function clientArgs({ files = [RENDER0], uid, comm, watchNr, slots, undumpable }: ClientOptions): string[] {
  const args: string[] = [];
  if (uid !== undefined) args.push('--uid', String(uid));
  if (comm !== undefined) args.push('--comm', comm);
  if (watchNr !== undefined) args.push('--nr', String(watchNr));
  if (slots !== undefined) args.push('--slots', String(slots));
  if (undumpable === true) args.push('--undumpable');
  return [...args, ...files];
}

async function nextLine(lines: AsyncIterator<string>): Promise<unknown> {
  const next = await lines.next();
  if (next.done === true) throw new Error('the client ended without an answer');
  return JSON.parse(next.value) as unknown;
}

// --- messages ------------------------------------------------------------------------------------------------------

/** Runs message-writer.c to its end: `kmsg COUNT PER_SECOND TEXT`, `uevent COUNT STRING ...` or `forge COUNT STRING ...`. */
export async function writeMessages(...args: (string | number)[]): Promise<{ count: number; seconds: number }> {
  const program = process.env.XE_TEST_MESSAGE_WRITER;
  if (program === undefined) throw new Error('XE_TEST_MESSAGE_WRITER is not set: run this through test/kernel/run.sh');
  const { stdout } = await promisify(execFile)(program, args.map(String));
  return JSON.parse(stdout) as { count: number; seconds: number };
}

// --- waiting -------------------------------------------------------------------------------------------------------

/**
 * Asks again until the answer is neither undefined nor false; throws at the deadline with the last failure. The longer it takes the
 * more seldom: each change of process makes user-mode Linux map all of the next one's memory anew, which keeps the exporter from work.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 60_000,
): Promise<T> {
  const start = performance.now();
  const end = start + deadlineMs;
  let failure: unknown;
  do {
    try {
      const answer = await condition();
      if (answer !== undefined && answer !== false) return answer;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await sleep(Math.min(200, Math.max(5, (performance.now() - start) / 10)));
  } while (performance.now() < end);
  throw new Error(`after ${deadlineMs} ms still not: ${what}`, { cause: failure });
}
