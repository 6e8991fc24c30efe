import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { MemoryCgroup } from './memory-cgroup.js';
import { CHART_LIMIT } from './target.js';

it('the limit under which the exporter is attacked kills what exceeds it', async (t) => {
  const cgroup = MemoryCgroup.make(CHART_LIMIT);
  if (typeof cgroup === 'string') return t.skip(`${cgroup}; the attacks watch the memory of the process alone`);
  t.after(() => cgroup.remove());
  const [program = '', ...launch] = cgroup.launcher;
  const held = 'const held = []; for (;;) held.push(Buffer.alloc(2 ** 20, 1));';
  const greedy = spawn(program, [...launch, process.execPath, '-e', held], { stdio: 'ignore' });
  const [, signal] = (await once(greedy, 'exit')) as [number | null, NodeJS.Signals | null];
  assert.equal(signal, 'SIGKILL');
  t.diagnostic(`its cgroup reached ${cgroup.peak?.toFixed(0) ?? 'an unknown number of'} MiB`);
});
