import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { discovery } from './discovery.js';
import { idle } from './idle.js';
import { jobStart } from './job-start.js';
import { kernelLog } from './kernel-log.js';
import { kernelLogStorm } from './kernel-log-storm.js';
import { latency } from './latency.js';
import { Scope, type Measurement } from './measurement.js';
import { scrape } from './scrape.js';
import { startUp } from './start-up.js';
import { renderTable, type Table } from './table.js';
import { throughput } from './throughput.js';

/** THE LIST of measurements, in the order they run. */
const MEASUREMENTS: readonly Measurement[] = [
  throughput,
  latency,
  kernelLog,
  kernelLogStorm,
  scrape,
  startUp,
  jobStart,
  idle,
  discovery,
];

/** `npm run bench -- [--only=<name>]... [--json]`; exit code 1 when a measurement failed. */
const { only = [], json = false } = parseArgs({
  options: { only: { type: 'string', multiple: true }, json: { type: 'boolean' } },
}).values;
const unknown = only.filter((name) => !MEASUREMENTS.some((measurement) => measurement.name === name));
if (unknown.length > 0) {
  console.error(
    `bench: no measurement ${unknown.join(', ')}; there are ${MEASUREMENTS.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}

const machine = { node: process.version, cpu: cpus()[0]?.model ?? '', cpus: cpus().length };
const results: { name: string; title: string; seconds: number; table?: Table; failure?: string }[] = [];
if (!json) console.log(`Node ${machine.node}, ${machine.cpus} x ${machine.cpu}`);
for (const measurement of MEASUREMENTS) {
  if (only.length > 0 && !only.includes(measurement.name)) continue;
  const { name, title } = measurement;
  if (!json) console.log(`\n${title}  [${name}]`);
  const begin = performance.now();
  const load = loadavg()[0]!;
  const outcome = await measure(measurement);
  const seconds = (performance.now() - begin) / 1000;
  results.push({ name, title, seconds, ...outcome });
  if (json) continue;
  console.log('table' in outcome ? renderTable(outcome.table) : `  FAILED: ${outcome.failure}`);
  console.log(`  (${seconds.toFixed(0)} s, load at the start ${load.toFixed(1)})`);
}
if (json) console.log(JSON.stringify({ ...machine, results }, undefined, 2));
process.exit(results.some(({ failure }) => failure !== undefined) ? 1 : 0);

async function measure({ deadlineSeconds, run }: Measurement): Promise<{ table: Table } | { failure: string }> {
  const scope = await Scope.open();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${deadlineSeconds} s`)), deadlineSeconds * 1000);
  });
  try {
    return { table: await Promise.race([run(scope), late]) };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
    await scope.close();
  }
}
