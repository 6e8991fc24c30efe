// What a scenario uses inside the guest: the real xe module, the test module and its control file.
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import type { GuestClient } from '../kernel/guest-lib.js';

/** The PCI function of the test module. */
export const GPU = '0010:03:00.0';
export const TRACEFS = '/sys/kernel/tracing';

/** Of the test module. */
export const CONTROL = '/sys/kernel/debug/xe_test/control';

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through test/stock-kernel/run.sh`);
  return value;
}

/** The distribution's own module, with all it depends on. */
export function loadXe(): void {
  execFileSync('modprobe', ['-d', required('XE_TEST_KERNEL'), 'xe']);
}

/** Fails while the driver is bound to the test module's function. */
export function unloadXe(): void {
  execFileSync('rmmod', ['xe']);
}

/** Once, after xe: where the members of xe's structures are comes from the BTF of the running module. */
export function loadTestModule(): void {
  const script = 'bpftool btf dump file /sys/kernel/btf/xe format raw | awk -f "$0"';
  const offsets = execFileSync('sh', ['-c', script, required('XE_TEST_OFFSETS')], { encoding: 'utf8' });
  execFileSync('insmod', [required('XE_TEST_MODULE'), ...offsets.trim().split(' ')]);
}

/** Runs commands of the test module, one a line; throws the kernel's errno. */
export function control(...lines: string[]): void {
  writeFileSync(CONTROL, lines.join('\n'));
}

/** The GPU appears, with card and render node. */
export function bindGpu(): void {
  control('bind');
  // There is no udev to give it its usual mode.
  chmodSync('/dev/dri/renderD128', 0o666);
}

export function unbindGpu(): void {
  control('unbind');
}

/** xe, the test module and a GPU. */
export function startGpu(): void {
  loadXe();
  loadTestModule();
  bindGpu();
}

let lastVm = 0;

/** A VM of a client's file, made by the client itself. @returns its number for the test module */
export async function createVm(client: GuestClient, k = 0): Promise<number> {
  const vm = ++lastVm;
  const answer = await client.send(`write ${CONTROL} create ${vm} ${client.files[k]!.client}`);
  if (!answer.ok) throw new Error(`no VM: ${JSON.stringify(answer)}`);
  return vm;
}

/** As after a failed rebind; errno 0 is a VM that died of something else, without a line in the kernel log. */
export function killVm(vm: number, errno = -12): void {
  control(`kill ${vm} ${errno}`);
}

export function freeVm(vm: number): void {
  control(`free ${vm}`);
}

/** Memory types of TTM as xe numbers and names them (xe_bo.c, Linux 6.12 to 7.3). */
const MEMORY = { system: 0, gtt: 1, vram0: 2, vram1: 3 } as const;

export interface Moves {
  readonly count: number;
  readonly from: keyof typeof MEMORY;
  readonly to: keyof typeof MEMORY;
  readonly bytes: number;
}

/** The driver moves a buffer so often because the client asked for memory. */
export async function move(client: GuestClient, { count, from, to, bytes }: Moves): Promise<void> {
  const answer = await client.send(`write ${CONTROL} move ${count} ${MEMORY[from]} ${MEMORY[to]} ${bytes}`);
  if (!answer.ok) throw new Error(`nothing moved: ${JSON.stringify(answer)}`);
}

/** Lines of the kernel log that say that memory is corrupt or the kernel is unwell. */
export function kernelComplaints(): string[] {
  const log = execFileSync('dmesg', { encoding: 'utf8' });
  return log.split('\n').filter((line) => /WARNING: |BUG |BUG: |Oops|general protection|overwritten/.test(line));
}

export function readTracefs(path: string): string {
  return readFileSync(`${TRACEFS}/${path}`, 'latin1');
}

/** Events of a trace buffer, without its heading. */
export function traceLines(instance: string): string[] {
  const lines = readTracefs(`instances/${instance}/trace`).split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}
