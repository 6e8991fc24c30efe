// Runs every scenario on each of the distribution's kernels. Host side; started by run.sh, which fetches and builds what it needs.
//
//   run.js RELEASE=GUEST_FOLDER ... [-- part of a name ...]
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runStockGuest } from './stock-guest.js';

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

const here = dirname(fileURLToPath(import.meta.url));

async function runScenario(release: string, guest: string, { name, kernelArgs }: Scenario): Promise<boolean> {
  const started = performance.now();
  const command = [process.execPath, '--test-reporter=spec', join(here, 'scenarios', `${name}.test.js`)];
  const result = await runStockGuest({ release, guest, kernelArgs, command });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const end = result.timedOut ? 'timed out' : `exit code ${result.exitCode}`;
  const verdict = `${result.exitCode === 0 ? 'ok' : 'NOT OK'} - ${release} ${name} (${end}, ${seconds} s)`;
  process.stdout.write(`# ${release} ${name}\n${result.stdout}${verdict}\n\n`);
  return result.exitCode === 0;
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
