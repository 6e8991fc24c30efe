// What discovery costs on a kernel that announces clients, what reading the driver's trace costs, or how soon a job knows of its error,
// measured in one test kernel.
// Host side.
//
//   npm run bench:kernel [-- discovery | trace | jobs]
//
// Builds the 7.x kernel and the programs if need be; XE_TEST_IMAGE_7_X and XE_TEST_PROGRAMS name others.
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderTable, type Table } from '../bench/table.js';
import { ERRORS, PAUSE_MS, type JobLatency, type Percentiles, type Way } from './bench/jobs-plan.js';
import {
  CHURN_SECONDS,
  CLIENTS,
  HOLDERS,
  IDLE_SECONDS,
  MANY_CLIENTS,
  OPENS,
  PROCESSES,
  SCAN_SECONDS,
  type Cost,
} from './bench/plan.js';
import {
  IDLE_SECONDS as TRACE_IDLE_SECONDS,
  LOAD_SECONDS,
  VMS_IN_A_ROW,
  VMS_PER_SECOND,
  type TraceCost,
} from './bench/trace-plan.js';
import { bootGuest } from './guest.js';

const here = dirname(fileURLToPath(import.meta.url));
const root = process.env.XE_TEST_ROOT ?? join(here, '../../..');
const image = process.env.XE_TEST_IMAGE_7_X ?? build('--7.x');
const programs = process.env.XE_TEST_PROGRAMS ?? build('--programs');

function build(what: string): string {
  const { status, stdout } = spawnSync('bash', [join(root, 'test/kernel/build.sh'), what], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`build.sh ${what} failed`);
  return stdout.trimEnd().split('\n').at(-1)!;
}

function discoveryTable(costs: readonly Cost[]): Table {
  return {
    columns: [
      '--discovery',
      'CPU s/h idle',
      'CPU s/h churn',
      'attach median ms',
      'attach p99 ms',
      'RSS MiB 0',
      `RSS MiB ${CLIENTS}`,
      `RSS MiB ${MANY_CLIENTS}`,
    ],
    rows: costs.map((cost) => [
      cost.mode,
      cost.cpuIdle,
      cost.cpuChurn,
      cost.attachMedian,
      cost.attachP99,
      cost.rssNone,
      cost.rssUsual,
      cost.rssMany,
    ]),
    notes: [
      `${PROCESSES} processes, ${HOLDERS} of them with ${CLIENTS} clients; scan interval ${SCAN_SECONDS} s.`,
      `CPU is extrapolated to an hour from ${IDLE_SECONDS.debugfs} s (auto idle: ${IDLE_SECONDS.auto} s, for its look at /proc once a minute), in steps of 10 ms.`,
      'Looks at /proc skip processes known to hold no GPU, more of them with time: a minute after the start is not yet the steady state.',
      `Churn: one client opens and closes ${costs.map(({ churnRate }) => churnRate.toFixed(0)).join(', ')} files a second for ${CHURN_SECONDS} s.`,
      `Attach: from open to the watch, ${OPENS} opens, so that p99 is the slowest; proc is bounded by the scan interval.`,
      'A guest has one processor and dear system calls, and what the host takes from it counts as CPU: compare the modes, not the figures with hardware.',
    ],
  };
}

function traceTable(costs: readonly TraceCost[]): Table {
  return {
    columns: ['--trace', 'CPU ms/s idle', `CPU ms/s ${VMS_PER_SECOND} VM/s`, 'VM/s', 'application us/VM', 'losses'],
    rows: costs.map(({ trace, cpuIdle, cpuLoad, rate, perVm, lost }) => [trace, cpuIdle, cpuLoad, rate, perVm, lost]),
    notes: [
      `CPU of the exporter over ${TRACE_IDLE_SECONDS} s without and ${LOAD_SECONDS} s with one process that makes and destroys VMs.`,
      `Application: CPU of a process that makes and destroys ${VMS_IN_A_ROW} VMs in a row, which is where the ring may run over.`,
      'A guest has one processor and dear system calls, and what the host takes from it counts as CPU: compare the rows, not the figures with hardware.',
    ],
  };
}

const TOLD_BY: Readonly<Record<Way, string>> = {
  socket: "Python callback, by the exporter's socket",
  run: 'SIGUSR1 handler in Python, by run',
};

function jobsTable(latencies: readonly JobLatency[]): Table {
  const row = (what: string, { p50, p99 }: Percentiles, beside: Percentiles) => [
    what,
    p50,
    p99,
    p50 / beside.p50,
    p99 / beside.p99,
  ];
  return {
    columns: ["from the kernel's record to", 'p50, us', 'p99, us', 'p50, ratio', 'p99, ratio'],
    rows: latencies.flatMap(({ way, listener, job }) => [
      row('C program that watches its own file', listener, listener),
      row(TOLD_BY[way], job, listener),
    ]),
    notes: [
      `${ERRORS} errors, ${PAUSE_MS} ms of rest between them. Both hear of the same error; each pair of rows is one run.`,
      'A guest has one processor and dear system calls: compare the ratios, not the figures with hardware.',
    ],
  };
}

/** The costs are what the guest's last line of output says, as JSON. */
const benches = {
  discovery: { kernelArgs: [], table: (costs: unknown) => discoveryTable(costs as Cost[]) },
  trace: {
    kernelArgs: ['xestub.watch_nr=0', 'xestub.trace=7.3'],
    table: (costs: unknown) => traceTable(costs as TraceCost[]),
  },
  jobs: { kernelArgs: [], table: (costs: unknown) => jobsTable(costs as JobLatency[]) },
};
const name = process.argv[2] ?? 'discovery';
if (!Object.hasOwn(benches, name)) throw new Error(`no bench ${name}: there are ${Object.keys(benches).join(', ')}`);
const bench = benches[name as keyof typeof benches];

// So that a guest does not outlive us: bootGuest ends it when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const begin = performance.now();
const [loadBefore = NaN] = loadavg();
const result = await bootGuest({
  image,
  init: join(root, 'test/kernel/guest/init'),
  command: [process.execPath, join(here, `bench/${name}.js`)],
  kernelArgs: bench.kernelArgs,
  cwd: root,
  readable: [root, programs],
  env: { XE_TEST_CLIENT: join(programs, 'client') },
  memoryMiB: 1024,
  timeoutMs: 360_000,
});
const json = result.stdout.trimEnd().split('\n').at(-1) ?? '';
if (result.exitCode === 0) {
  const costs = JSON.parse(json) as unknown;
  const seconds = Math.round((performance.now() - begin) / 1000);
  const host = { node: process.version, cpu: cpus()[0]?.model ?? '', cpus: cpus().length, loadBefore, seconds };
  console.log(renderTable(bench.table(costs)));
  console.log(JSON.stringify({ ...host, costs }, undefined, 2));
} else {
  console.error(result.stdout);
  console.error(result.timedOut ? 'bench: timed out' : `bench: exit code ${result.exitCode}`);
  process.exitCode = 1;
}
