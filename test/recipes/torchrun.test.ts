// The recipe for torchrun under torchrun.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { IN_CGROUP, makeCgroup } from '../helpers/cgroups.js';
import { gpuNode, RECIPES, STAND_IN } from './gpu-node.js';

it('torchrun starts all workers again when one has run out of GPU memory, and they are smaller', async (t) => {
  const { folder, env, remove } = await gpuNode(t);
  const checkpoints = join(folder, 'checkpoints');
  mkdirSync(checkpoints);
  const cgroup = makeCgroup(t, `kubepods/pod${randomUUID()}/${'c'.repeat(64)}`);
  const [program = '', ...args] = [...IN_CGROUP, cgroup, join(RECIPES, 'torchrun.sh'), STAND_IN, 'worker', checkpoints];
  const child = spawn(program, args, {
    // torchrun 1.13 with Python 3.11 fails on its own default for both, which is 0.
    env: { ...process.env, ...env, WORKERS: '2', PET_REDIRECTS: '1', PET_TEE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  t.after(async () => {
    child.kill();
    await ended;
    remove();
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  assert.equal(code, 0, stderr);
  // A worker may be ended before it says anything, but not in the last run.
  const scales = [...stdout.matchAll(/scale [\d.]+/g)].map(([scale]) => scale);
  assert.deepEqual([...new Set(scales)], ['scale 1.0', 'scale 0.5', 'scale 0.25'], stderr);
  assert.deepEqual(scales.slice(-2), ['scale 0.25', 'scale 0.25']);
});
