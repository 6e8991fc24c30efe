// The recipe for Slurm in Slurm: its daemons, its queue, its cgroups, by which the jobs' socket knows its jobs.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { waitFor } from '../helpers/wait-for.js';
import { gpuNode, MAIN, RECIPES, STAND_IN, type GpuNode } from './gpu-node.js';
import { SlurmCluster } from './slurm-cluster.js';

/** A cluster as the head of the recipe demands it, with the programs that it calls. */
async function cluster(t: TestContext): Promise<{ readonly slurm: SlurmCluster; readonly node: GpuNode }> {
  const node = await gpuNode(t);
  const bin = join(node.folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'xe-exporter'), `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`, { mode: 0o755 });
  writeFileSync(
    join(node.folder, 'train.py'),
    `import runpy, sys\nsys.argv[1:1] = ["train"]\nrunpy.run_path("${STAND_IN}", run_name="__main__")\n`,
  );
  const env = { ...node.env, PATH: `${bin}:${process.env['PATH']}` };
  const slurm = await SlurmCluster.start(t, node.folder, ['RequeueExit=75'], env);
  // After the daemons have ended: what is registered first ends first.
  t.after(node.remove);
  return { slurm, node };
}

function script({ folder }: GpuNode, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
}

describe('a job of Slurm', () => {
  it('that runs out of GPU memory is queued again and goes on with a smaller batch; its neighbour hears nothing', async (t) => {
    const { slurm, node } = await cluster(t);
    const client = `${process.execPath} -e "require('http').get({socketPath:'${node.served.path}',path:'/events'},(r)=>r.pipe(process.stdout))"`;
    const neighbour = slurm.submit(script(node, 'neighbour.sh', `echo listens; exec timeout 600 ${client}`));
    await waitFor(() => node.served.counted.subscribers === 1, { what: 'the neighbour to listen' });
    const id = slurm.submit(join(RECIPES, 'slurm-job.sh'));
    const { state, restarts, said } = await slurm.ended(id);
    assert.deepEqual([state, restarts], ['COMPLETED', 1], said);
    const batches = [...said.matchAll(/^batch (\d+)$/gm)].map(([, size]) => Number(size));
    assert.deepEqual(batches, [512, 256, 128, 64, 32, 16], said);
    assert.doesNotMatch(slurm.said(neighbour), /data: /);
    assert.match(slurm.said(neighbour), /listens[^]*retry: /);
    slurm.cancel(neighbour);
    assert.equal((await slurm.ended(neighbour)).state, 'CANCELLED');
  });

  it('that fails for another reason is not queued again, and one that has been too often gives up', async (t) => {
    const { slurm, node } = await cluster(t);
    const failed = await slurm.ended(slurm.submit(script(node, 'other.sh', 'exit 3'), ['--requeue']));
    assert.deepEqual([failed.state, failed.restarts], ['FAILED', 0]);
    const tired = script(node, 'tired.sh', `SLURM_RESTART_COUNT=4 exec ${join(RECIPES, 'slurm-job.sh')}`);
    const { state, restarts, said } = await slurm.ended(slurm.submit(tired, ['--requeue']));
    assert.deepEqual([state, restarts], ['FAILED', 0]);
    assert.match(said, /out of GPU memory in 4 runs: giving up/);
  });
});
