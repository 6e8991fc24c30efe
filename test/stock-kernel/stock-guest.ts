// One of the distribution's kernels in QEMU, with one command that runs in it. Host side; run.sh sets the variables.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandScript, runGuest, type GuestResult } from '../kernel/guest.js';

const root = process.env.XE_TEST_ROOT ?? process.cwd();
const cache = required('XE_TEST_STOCK_CACHE');
const programs = required('XE_TEST_PROGRAMS');

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through test/stock-kernel/run.sh`);
  return value;
}

export interface StockGuest {
  readonly release: string;
  /** The folder that build.sh has made for the release. */
  readonly guest: string;
  readonly kernelArgs: readonly string[];
  readonly command: readonly string[];
}

/**
 * QEMU without KVM, which few CI machines have, with two processors in one thread. With a thread for each, a processor now and
 * then runs into the breakpoint by which the other one is just switching a tracepoint, after it has been taken away: an oops.
 */
function qemuArgs({ release, guest, kernelArgs }: StockGuest, dir: string): string[] {
  const commandLine = [
    'console=ttyS0',
    // Nothing less than a panic or an oops on the console, which is the standard output of the tests.
    'quiet',
    'loglevel=2',
    'panic=-1',
    `xe_stock_dir=${dir}`,
    ...kernelArgs,
  ];
  return [
    ...['-accel', 'tcg,thread=single', '-cpu', 'max', '-smp', '2', '-m', '2500'],
    ...['-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot', '-nic', 'none'],
    ...['-kernel', join(cache, release, 'vmlinuz'), '-initrd', join(guest, 'initramfs.gz')],
    ...['-append', commandLine.join(' ')],
    ...['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
  ];
}

/** Boots it, runs the command in the project's folder, and powers it off. */
export async function runStockGuest(stock: StockGuest): Promise<GuestResult> {
  // Not below /tmp, which is the guest's own.
  const dir = mkdtempSync(join(cache, 'run-'));
  try {
    const script = commandScript({
      command: [...stock.command],
      cwd: root,
      env: {
        XE_TEST_CLIENT: join(programs, 'client'),
        XE_TEST_KERNEL: join(cache, stock.release),
        XE_TEST_MODULE: join(stock.guest, 'xe_test.ko'),
        XE_TEST_OFFSETS: join(root, 'test/stock-kernel/module/offsets.awk'),
      },
    });
    writeFileSync(join(dir, 'command'), script);
    // Far more than any needs: the machine may be busy with something else.
    return await runGuest('qemu-system-x86_64', qemuArgs(stock, dir), {
      timeoutMs: 600_000,
      ...(process.env.XE_TEST_LIVE === '1' && { onOutput: (text: string) => process.stderr.write(text) }),
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
