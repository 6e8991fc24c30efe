// Measures what the trace costs on the distribution's kernels. Host side; run.sh --bench starts it.
//
//   bench.js RELEASE=GUEST_FOLDER ...
import { loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderTable, type Table } from '../bench/table.js';
import { MOVES_IN_A_ROW, MOVES_PER_SECOND, SECONDS, VMS_PER_SECOND, type Cost } from './bench/plan.js';
import { runStockGuest } from './stock-guest.js';

const here = dirname(fileURLToPath(import.meta.url));

function table(costs: readonly Cost[]): Table {
  return {
    columns: [
      '--trace',
      'CPU ms/s idle',
      `CPU ms/s ${VMS_PER_SECOND} VM/s`,
      `CPU ms/s ${MOVES_PER_SECOND} moves/s`,
      'VM/s',
      'moves/s',
      'application ns/move',
      'counted',
    ],
    rows: costs.map((cost) => [
      cost.trace,
      cost.cpuIdle,
      cost.cpuVms,
      cost.cpuMoves,
      cost.vmsPerSecond,
      cost.movesPerSecond,
      cost.perMove,
      cost.counted,
    ]),
    notes: [
      `CPU of the exporter, over ${SECONDS} s each, in steps of 10 ms.`,
      `Application: CPU of a process for which the driver moves a buffer out of VRAM ${MOVES_IN_A_ROW} times in a row; nothing is copied, only traced.`,
      'A guest is emulated: compare the rows, not the figures with hardware.',
    ],
  };
}

// So that a guest does not outlive us: runGuest ends it when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

for (const argument of process.argv.slice(2)) {
  const [release = '', guest = ''] = argument.split('=');
  const [loadBefore = NaN] = loadavg();
  const command = [process.execPath, join(here, 'bench/costs.js')];
  const { exitCode, timedOut, stdout } = await runStockGuest({ release, guest, kernelArgs: [], command });
  if (exitCode === 0) {
    const costs = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Cost[];
    console.log(`${release}, node ${process.version}, load of the host before ${loadBefore.toFixed(2)}\n`);
    console.log(renderTable(table(costs)));
  } else {
    console.error(stdout);
    console.error(timedOut ? 'bench: timed out' : `bench: exit code ${exitCode}`);
    process.exitCode = 1;
  }
}
