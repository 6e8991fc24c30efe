// The driver goes and comes back while it is being traced, on a kernel that checks its slabs (slub_debug).
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { startClientIn } from '../../kernel/guest-lib.js';
import {
  bindGpu,
  createVm,
  kernelComplaints,
  killVm,
  loadXe,
  startGpu,
  traceLines,
  TRACEFS,
  unbindGpu,
  unloadXe,
} from '../guest-lib.js';

const write = (path: string, text: string): void => writeFileSync(`${TRACEFS}/${path}`, text);
const ENABLE = 'instances/scenario/events/scenario/vmkill/enable';

test('a function event outlives three reloads of xe, switched off and on after each', async (t) => {
  startGpu();
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
