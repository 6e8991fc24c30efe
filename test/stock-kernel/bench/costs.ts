// What the trace costs on a distribution's kernel: idle, while VMs are made, while the driver moves buffers. Guest side; the last line it
// prints is JSON.
import assert from 'node:assert/strict';
import { openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuPerSecond } from '../../bench/process.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { waitFor } from '../../kernel/guest-lib.js';
import { control, GPU, startGpu } from '../guest-lib.js';
import { MOVES_IN_A_ROW, MOVES_PER_SECOND, OPTIONS, SECONDS, VMS_PER_SECOND, type Cost, type Trace } from './plan.js';

const PATIENCE_MS = 60_000;
/** Between two turns of a load. */
const TURN_MS = 10;
/** Out of VRAM, as an eviction. */
const move = (count: number): void => control(`move ${count} 2 1 4096`);

startGpu();
// This process is the client.
const fd = openSync('/dev/dri/renderD128', 'r+');
const client = Number(/^drm-client-id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]);

/** @returns how many a second were made */
async function load(perSecond: number, make: (count: number) => void): Promise<number> {
  const begin = performance.now();
  let made = 0;
  for (let at = begin; at < begin + SECONDS * 1000; at = performance.now()) {
    // What a slow turn has missed is not made up for.
    const count = Math.min(Math.round(((at - begin) / 1000) * perSecond) - made, (perSecond / 1000) * TURN_MS * 2);
    if (count > 0) make(count);
    made += count;
    await sleep(TURN_MS);
  }
  return made / ((performance.now() - begin) / 1000);
}

function makeVms(count: number): void {
  const vms = Array.from({ length: count }, (_, index) => index + 1);
  control(...vms.map((vm) => `create ${vm} ${client}`), ...vms.map((vm) => `free ${vm}`));
}

async function measure(trace: Trace): Promise<Cost> {
  const exporter = await ExporterProcess.serve({
    args: [...OPTIONS[trace]],
    execArgv: ['--v8-pool-size=1', '--optimize-for-size'],
  });
  const up = `xe_exporter_source_up{source="${trace === 'off' ? 'kmsg' : 'trace'}"}`;
  await waitFor('the source', async () => (await exporter.metric(up)) === 1, PATIENCE_MS);
  const known = `xe_clients{pci_bdf="${GPU}"}`;
  await waitFor('this client', async () => (await exporter.metric(known)) === 1, PATIENCE_MS);
  const pid = exporter.child.pid!;
  // All begin with compiled code.
  await load(VMS_PER_SECOND, makeVms);

  const cpuIdle = await cpuPerSecond(pid, () => sleep(SECONDS * 1000));
  let [vmsPerSecond, movesPerSecond] = [NaN, NaN];
  const cpuVms = await cpuPerSecond(pid, async () => (vmsPerSecond = await load(VMS_PER_SECOND, makeVms)));
  const evictions = `xe_device_evictions_total{pci_bdf="${GPU}"}`;
  const before = (await exporter.metric(evictions)) ?? 0;
  const cpuMoves = await cpuPerSecond(pid, async () => (movesPerSecond = await load(MOVES_PER_SECOND, move)));
  const { system } = process.cpuUsage();
  move(MOVES_IN_A_ROW);
  const perMove = ((process.cpuUsage().system - system) * 1000) / MOVES_IN_A_ROW;
  const counted = async (): Promise<number> => ((await exporter.metric(evictions)) ?? 0) - before;
  if (trace === 'auto, evictions')
    await waitFor('all moves to be counted', async () => (await counted()) > MOVES_IN_A_ROW, PATIENCE_MS);
  const cost = { trace, cpuIdle, cpuVms, cpuMoves, vmsPerSecond, movesPerSecond, perMove, counted: await counted() };
  assert.equal(await exporter.stop(), 0);
  return cost;
}

const costs: Cost[] = [];
for (const trace of Object.keys(OPTIONS) as Trace[]) costs.push(await measure(trace));
console.log(JSON.stringify(costs));
process.exit();
