// Runs every scenario on each of the distribution's kernels. Host side; started by run.sh, which fetches and builds what it needs.
//
//   run.js RELEASE=GUEST_FOLDER ... [-- part of a name ...]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandScript, runGuest } from '../kernel/guest.js';

interface Scenario {
  name: string;
  kernelArgs: string[];
}

/** A boot costs more than most scenarios, so one runs all that leave the kernel as they found it. */
const scenarios: Scenario[] = [
  { name: 'victims', kernelArgs: [] },
  { name: 'coexistence', kernelArgs: [] },
  { name: 'tracing', kernelArgs: [] },
  { name: 'kernel-log', kernelArgs: [] },
  // Every allocation is checked when it is freed: memory that xe left behind does not go unnoticed.
  { name: 'reload', kernelArgs: ['slab_debug=FZP', 'slub_debug=FZP'] },
  { name: 'lockdown', kernelArgs: [] },
];

const root = process.env.XE_TEST_ROOT ?? process.cwd();
const cache = required('XE_TEST_STOCK_CACHE');
const programs = required('XE_TEST_PROGRAMS');
const here = dirname(fileURLToPath(import.meta.url));

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through test/stock-kernel/run.sh`);
  return value;
}

/**
 * QEMU without KVM, which few CI machines have, with two processors in one thread. With a thread for each, a processor now and
 * then runs into the breakpoint by which the other one is just switching a tracepoint, after it has been taken away: an oops.
 */
function qemuArgs(release: string, guest: string, kernelArgs: readonly string[], dir: string): string[] {
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

async function runScenario(release: string, guest: string, { name, kernelArgs }: Scenario): Promise<boolean> {
  const started = performance.now();
  // Not below /tmp, which is the guest's own.
  const dir = mkdtempSync(join(cache, 'run-'));
  try {
    const script = commandScript({
      command: [process.execPath, '--test-reporter=spec', join(here, 'scenarios', `${name}.test.js`)],
      cwd: root,
      env: {
        XE_TEST_CLIENT: join(programs, 'client'),
        XE_TEST_KERNEL: join(cache, release),
        XE_TEST_MODULE: join(guest, 'xe_test.ko'),
        XE_TEST_OFFSETS: join(root, 'test/stock-kernel/module/offsets.awk'),
      },
    });
    writeFileSync(join(dir, 'command'), script);
    // Far more than any needs: the machine may be busy with something else.
    const result = await runGuest('qemu-system-x86_64', qemuArgs(release, guest, kernelArgs, dir), {
      timeoutMs: 600_000,
      ...(process.env.XE_TEST_LIVE === '1' && { onOutput: (text: string) => process.stderr.write(text) }),
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const end = result.timedOut ? 'timed out' : `exit code ${result.exitCode}`;
    const verdict = `${result.exitCode === 0 ? 'ok' : 'NOT OK'} - ${release} ${name} (${end}, ${seconds} s)`;
    process.stdout.write(`# ${release} ${name}\n${result.stdout}${verdict}\n\n`);
    return result.exitCode === 0;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

// So that a guest does not outlive us: runGuest ends it when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const args = process.argv.slice(2);
const split = args.indexOf('--');
const kernels = (split < 0 ? args : args.slice(0, split)).map((arg) => arg.split('=') as [string, string]);
const wanted = split < 0 ? [] : args.slice(split + 1);
let passed = 0;
let failed = 0;

const queue = kernels
  .flatMap(([release, guest]) => scenarios.map((scenario) => ({ release, guest, scenario })))
  .filter(
    ({ release, scenario }) =>
      wanted.length === 0 || wanted.some((part) => `${release} ${scenario.name}`.includes(part)),
  )
  .values();

/**
 * A guest takes one processor of the host. Where that processor is taken away for seconds, kernel log and trace are read too far
 * apart to be one incident, so a scenario gets a second guest before it has failed; both are printed.
 */
async function lane(): Promise<void> {
  for (const { release, guest, scenario } of queue) {
    if ((await runScenario(release, guest, scenario)) || (await runScenario(release, guest, scenario))) passed++;
    else failed++;
  }
}

await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, lane));
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
