// The recipes of docs/jobs/ at work, with a stand-in for the GPU and for the launcher or scheduler by its documented contract.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
const RECIPES = resolve('docs/jobs');
const STAND_IN = resolve('test/unit/jobs/stand_in.py');
const folder = mkdtempSync(join(tmpdir(), 'recipes-'));
const socket = join(folder, 'jobs.sock');
const bin = join(folder, 'bin');
const found = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']);
const skip = found.status === 0 ? false : 'needs python3, 3.9 or newer';

/** Tells everybody who listens of the VM that one of them has lost. */
const streams = new Set<ServerResponse>();
const server = createServer(({ url = '' }, response) => {
  const errno = /^\/lose\?errno=(-\d+)&/.exec(url)?.[1];
  if (errno === undefined) {
    streams.add(response.writeHead(200, { 'content-type': 'text/event-stream' }));
    response.write(': open\n\n');
    response.on('close', () => streams.delete(response));
    return;
  }
  const record = { body: 'lost its GPU VM', attributes: { 'xe.vm.errno': Number(errno) } };
  for (const stream of streams) stream.write(`event: xe.vm.rebind_error\ndata: ${JSON.stringify(record)}\n\n`);
  response.end();
});

before(async () => {
  mkdirSync(bin);
  await once(server.listen(socket), 'listening');
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

/** A program on PATH. */
function program(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

async function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(command, args, {
    env: {
      ...process.env,
      PATH: `${bin}:${process.env['PATH']}`,
      XE_EXPORTER_JOBS_SOCKET: socket,
      XE_TEST_GPU: socket,
      XE_EXPORTER_XE_WATCH_IOCTL: 'off',
      XE_EXPORTER_RESTART_BACKOFF: '0s',
      XE_TEST_RECIPES: RECIPES,
      XE_TEST_CLIENT_FOLDER: join(dirname(MAIN), 'jobs'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

describe('the training loop', { skip }, () => {
  it('halves its micro batch and doubles the accumulation until it fits; the samples of a step stay the same', async () => {
    const { stdout, stderr } = await run('python3', [STAND_IN, 'loop', '64']);
    assert.equal(stdout, '16 4 [64, 64, 64, 64, 64]\n', stderr);
  });

  it('does not shrink for an error that is no lack of memory', async () => {
    const { code, stderr } = await run('python3', [STAND_IN, 'loop_with_bug']);
    assert.equal(code, 1);
    assert.match(stderr, /DEVICE_LOST/);
  });
});

describe('torchrun', { skip }, () => {
  it('starts all workers again when one ends with 75, and they are smaller', async () => {
    // By its documentation: when one worker fails, the others are ended and all are started anew.
    program(
      'torchrun',
      `for option; do case $option in --nproc_per_node=*) n=\${option#*=} ;; --max_restarts=*) max=\${option#*=} ;; esac; done
shift 2
for TORCHELASTIC_RESTART_COUNT in $(seq 0 $max); do
  export TORCHELASTIC_RESTART_COUNT
  pids=; failed=0
  for RANK in $(seq $n); do export RANK; python3 "$@" & pids="$pids $!"; done
  for pid in $pids; do wait $pid || { failed=1; kill $pids 2>/dev/null; }; done
  [ $failed = 0 ] && exit 0
done
exit 1`,
    );
    const { code, stdout, stderr } = await run(join(RECIPES, 'torchrun.sh'), [STAND_IN, 'worker', folder], {
      WORKERS: '2',
    });
    assert.equal(code, 0, stderr);
    // A worker may be ended before it says anything, but not in the last run.
    const scales = stdout.trim().split('\n');
    assert.deepEqual([...new Set(scales)], ['scale 1.0', 'scale 0.5', 'scale 0.25']);
    assert.deepEqual(scales.slice(-2), ['scale 0.25', 'scale 0.25']);
  });
});

describe('Slurm', { skip }, () => {
  it('queues the job again when it ends with 75, and it goes on with a smaller batch', async () => {
    program('srun', 'exec "$@"');
    program('xe-exporter', `exec "${process.execPath}" "${MAIN}" "$@"`);
    // The job's train.py is the stand-in.
    program('python3', `shift; PATH=\${PATH#*:} exec python3 "${STAND_IN}" train "$@"`);
    const batches: string[] = [];
    for (let restarts = 0; ; restarts++) {
      const { code, stdout, stderr } = await run(join(RECIPES, 'slurm-job.sh'), [], {
        SLURM_RESTART_COUNT: String(restarts),
      });
      batches.push(...stdout.trim().split('\n'));
      if (code === 75 && restarts < 3) continue;
      assert.equal(code, 0, stderr);
      break;
    }
    rmSync(join(bin, 'python3'));
    assert.deepEqual(
      batches,
      [512, 256, 128, 64, 32, 16].map((size) => `batch ${size}`),
    );
    assert.equal((await run(join(RECIPES, 'slurm-job.sh'), [], { SLURM_RESTART_COUNT: '4' })).code, 1);
  });
});

describe('the Kubernetes Job', () => {
  const job = parse(readFileSync(join(RECIPES, 'kubernetes-job.yaml'), 'utf8')) as {
    spec: {
      podFailurePolicy: { rules: { action: string; onExitCodes?: { operator: string; values: number[] } }[] };
      template: { spec: { volumes: { name: string; hostPath: { path: string } }[] } };
    };
  };

  it("mounts the folder in which the chart puts the jobs' socket", () => {
    const values = parse(readFileSync('helm/xe-exporter/values.yaml', 'utf8')) as { jobs: { hostPath: string } };
    const [volume] = job.spec.template.spec.volumes;
    assert.equal(volume?.hostPath.path, `${values.jobs.hostPath}/socket`);
  });

  /** As the job controller does: the first rule that fits. */
  const actionFor = (code: number): string | undefined =>
    job.spec.podFailurePolicy.rules.find(({ onExitCodes }) => {
      if (onExitCodes === undefined) return false;
      return onExitCodes.values.includes(code) === (onExitCodes.operator === 'In');
    })?.action;

  it('is tried again for exit code 75 and for no other', () => {
    assert.equal(actionFor(75), 'Count');
    for (const code of [1, 2, 126, 137, 143]) assert.equal(actionFor(code), 'FailJob');
  });
});
