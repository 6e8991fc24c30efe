// What reading the driver's trace costs, off and on in one guest of kernel 7.x. Guest side; the last line it prints is JSON.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuPerSecond } from '../../bench/process.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { startClient, waitFor, type GuestClient } from '../guest-lib.js';
import {
  IDLE_SECONDS,
  LOAD_SECONDS,
  TRACES,
  VMS_IN_A_ROW,
  VMS_PER_SECOND,
  type Trace,
  type TraceCost,
} from './trace-plan.js';

async function makeVms(
  client: GuestClient,
  count: number,
  perSecond: number,
): Promise<{ seconds: number; cpu: number }> {
  const { seconds, cpu } = await client.send(`vms 0 ${count} ${perSecond}`);
  assert.ok(seconds !== undefined && cpu !== undefined);
  return { seconds, cpu };
}

async function measure(trace: Trace): Promise<TraceCost> {
  const exporter = await ExporterProcess.serve({
    args: [`--trace=${trace}`, '--scan-interval=5s'],
    execArgv: ['--v8-pool-size=1', '--optimize-for-size'],
  });
  const up = `xe_exporter_source_up{source="${trace === 'off' ? 'kmsg' : 'trace'}"}`;
  await waitFor('the source', async () => (await exporter.metric(up)) === 1);
  const client = await startClient();
  const pid = exporter.child.pid!;
  // Both begin with compiled code.
  await makeVms(client, VMS_PER_SECOND, VMS_PER_SECOND);

  const cpuIdle = await cpuPerSecond(pid, () => sleep(IDLE_SECONDS * 1000));
  let rate = NaN;
  const cpuLoad = await cpuPerSecond(pid, async () => {
    const count = LOAD_SECONDS * VMS_PER_SECOND;
    rate = count / (await makeVms(client, count, VMS_PER_SECOND)).seconds;
  });
  const { cpu } = await makeVms(client, VMS_IN_A_ROW, 0);
  const lost = (await exporter.metric('xe_exporter_events_lost_total{source="trace"}')) ?? 0;

  await client.exit();
  assert.equal(await exporter.stop(), 0);
  return { trace, cpuIdle, cpuLoad, rate, perVm: (cpu / VMS_IN_A_ROW) * 1e6, lost };
}

const costs: TraceCost[] = [];
for (const trace of TRACES) costs.push(await measure(trace));
console.log(JSON.stringify(costs));
