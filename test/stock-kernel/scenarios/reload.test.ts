// The driver goes and comes back while it is being traced, on a kernel that checks its slabs (slub_debug).
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { startClientIn } from '../../kernel/guest-lib.js';
import {
  bindGpu,
  createVm,
  kernelComplaints,
  killVm,
  loadXe,
  readTracefs,
  startGpu,
  traceLines,
  TRACEFS,
  unbindGpu,
  unloadXe,
} from '../guest-lib.js';
import { ARGS, TraceExporter, tracefsState } from '../trace-exporter.js';

const write = (path: string, text: string): void => writeFileSync(`${TRACEFS}/${path}`, text);
const ENABLE = 'instances/scenario/events/scenario/vmkill/enable';

startGpu();

test('a function event outlives three reloads of xe, switched off and on after each', async (t) => {
  mkdirSync(`${TRACEFS}/instances/scenario`);
  appendFileSync(`${TRACEFS}/dynamic_events`, 'f:scenario/vmkill xe_vm_kill client=vm->xef->drm->client_id:u64\n');
  write(ENABLE, '1');
  for (let round = 1; round <= 3; round++) {
    unbindGpu();
    unloadXe();
    loadXe();
    write(ENABLE, '0');
    write(ENABLE, '1');
    bindGpu();
    const client = await startClientIn(t);
    killVm(await createVm(client));
    const lines = traceLines('scenario');
    assert.equal(lines.length, round, lines.join('\n'));
    assert.match(lines.at(-1)!, new RegExp(`client=${client.id}$`));
    await client.exit();
  }
  write(ENABLE, '0');
  rmdirSync(`${TRACEFS}/instances/scenario`);
  appendFileSync(`${TRACEFS}/dynamic_events`, '-:scenario/vmkill\n');
  assert.deepEqual(kernelComplaints(), []);
});

test('the exporter follows three reloads, and one that starts before the driver', async (t) => {
  unbindGpu();
  unloadXe();
  const early = await ExporterProcess.serve({ args: ARGS });
  loadXe();
  bindGpu();
  const exporter = await TraceExporter.of(early);
  t.after(() => exporter.stop('SIGKILL'));
  let killed = 0;
  for (let round = 1; round <= 3; round++) {
    const client = await startClientIn(t);
    await exporter.knows(1);
    // It looks every two seconds whether the driver was loaded again: what dies before that, the trace does not name.
    await exporter.until('the events to be on', () =>
      readTracefs('instances/xe-exporter/events/xe/xe_vm_kill/enable').startsWith('1'),
    );
    killed += await exporter.names(client);
    await client.exit();
    await exporter.knows(0);
    unbindGpu();
    unloadXe();
    loadXe();
    bindGpu();
  }
  assert.equal(await exporter.rebindErrors(), killed);
  assert.equal(await exporter.stop(), 0);
  assert.deepEqual(tracefsState(), { instances: [], events: [] });
  assert.deepEqual(kernelComplaints(), []);
});
