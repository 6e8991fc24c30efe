import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { Container, IMAGE } from './container.js';
import { MemoryCgroup } from './memory-cgroup.js';
import { CHART_LIMIT } from './target.js';

const GREEDY = 'const held = []; for (;;) held.push(Buffer.alloc(2 ** 20, 1));';

it('the limit under which the exporter is attacked kills what exceeds it', async (t) => {
  if (IMAGE !== undefined) {
    const entrypoint = ['--entrypoint=/usr/local/bin/node'];
    const [podman = '', ...options] = new Container(IMAGE, CHART_LIMIT, entrypoint).program;
    // Where podman runs, conmon leaves a file that says "oom".
    const cwd = new FixtureTree(t).root;
    const [code] = (await once(spawn(podman, [...options, '-e', GREEDY], { stdio: 'ignore', cwd }), 'exit')) as [
      number,
    ];
    return assert.equal(code, 128 + 9, 'SIGKILL, as podman tells of it');
  }
  const cgroup = MemoryCgroup.make(CHART_LIMIT);
  if (typeof cgroup === 'string') return t.skip(`${cgroup}; the attacks watch the memory of the process alone`);
  t.after(() => cgroup.remove());
  const [program = '', ...launch] = cgroup.launcher;
  const greedy = spawn(program, [...launch, process.execPath, '-e', GREEDY], { stdio: 'ignore' });
  const [, signal] = (await once(greedy, 'exit')) as [number | null, NodeJS.Signals | null];
  assert.equal(signal, 'SIGKILL');
  t.diagnostic(`its cgroup reached ${cgroup.peak?.toFixed(0) ?? 'an unknown number of'} MiB`);
});
