// How long it takes until a job knows of its error, beside a C program that watches the same file, in one guest of kernel 7.x.
// Guest side; the last line it prints is JSON.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { percentile } from '../../bench/statistics.js';
import { IN_CGROUP } from '../../helpers/cgroups.js';
import { driverState, postVmError, RENDER0, startClient, waitFor } from '../guest-lib.js';
import { RunningJob } from '../running-job.js';
import { ERRORS, PAUSE_MS, WAYS, type JobLatency, type Percentiles, type Way } from './jobs-plan.js';

const CGROUPS = '/sys/fs/cgroup';
const POD = `${CGROUPS}/kubepods.slice/kubepods-pod00000000_0000_4000_8000_000000000001.slice/cri-containerd-${'1'.repeat(64)}.scope`;
const SOCKET = '/tmp/jobs/jobs.sock';
const JOB = join(process.cwd(), 'test/kernel/bench/job.py');
const CLIENT_FOLDER = fileURLToPath(new URL('../../../exporter/jobs', import.meta.url));

/** A job and, in the process that has the GPU open, the C program that listens to it. */
interface Scene {
  readonly client: number;
  /** Resolves with the times at which the C program read the errors, once it has them all. */
  readonly listen: () => Promise<readonly string[]>;
  /** Resolves with the time at which the job was told of the next error. */
  readonly told: () => Promise<string>;
  readonly end: () => Promise<unknown>;
}

async function bySocket(): Promise<Scene> {
  spawnSync('mount', ['-t', 'cgroup2', 'none', CGROUPS]);
  mkdirSync(POD, { recursive: true });
  const exporter = await ExporterProcess.serve({
    args: [`--jobs-socket=${SOCKET}`],
    execArgv: ['--v8-pool-size=1', '--optimize-for-size'],
  });
  const client = await startClient({ files: [RENDER0], cgroup: POD });
  const [program = '', ...args] = [...IN_CGROUP, POD, 'python3', JOB, 'socket', CLIENT_FOLDER, SOCKET];
  const job = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: job.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, '{"listening":true}');
  await watched(client.id);
  assert.ok((await client.send('watch 0 1')).ok);
  return {
    client: client.id,
    listen: async () => (await client.send(`times ${ERRORS}`)).times!,
    told: async () => (JSON.parse(String((await lines.next()).value)) as { told: string }).told,
    end: async () => {
      job.stdin.end();
      await client.exit();
      await exporter.stop();
    },
  };
}

async function byRun(): Promise<Scene> {
  const script = `exec python3 ${JOB} run ${process.env['XE_TEST_CLIENT'] ?? 'client'} ${RENDER0}`;
  const job = new RunningJob({ after: () => undefined }, ['--on-oom=signal:USR1'], script, ['env']);
  const client = await job.ready();
  job.send('watch 0 1');
  assert.match(await job.heard(/"ok":/), /true/);
  const lines = createInterface({ input: job.child.stdout! });
  const queue: string[] = [];
  lines.on('line', (line) => queue.push(line));
  /** The two processes of the job say things in any order. */
  const said = async (what: 'told' | 'times') => {
    for (;;) {
      const index = queue.findIndex((line) => line.includes(`"${what}":`));
      if (index >= 0) return JSON.parse(queue.splice(index, 1)[0]!) as { told: string; times: string[] };
      await once(lines, 'line');
    }
  };
  return {
    client,
    listen: async () => {
      job.send(`times ${ERRORS}`);
      return (await said('times')).times;
    },
    told: async () => (await said('told')).told,
    end: async () => {
      job.send('exit 0');
      await job.end();
    },
  };
}

async function watched(client: number): Promise<void> {
  await waitFor('the exporter watches', () => driverState().clients.find(({ id }) => id === client)?.watches === 1);
}

async function measure(way: Way): Promise<JobLatency> {
  const scene = await (way === 'socket' ? bySocket() : byRun());
  const heard = scene.listen();
  const posted: bigint[] = [];
  const told: string[] = [];
  for (let error = 0; error < ERRORS; error++) {
    await sleep(PAUSE_MS);
    posted.push(process.hrtime.bigint());
    postVmError({ client: scene.client });
    told.push(await scene.told());
  }
  const after = (times: readonly string[]): Percentiles => {
    assert.equal(times.length, ERRORS);
    const microseconds = times.map((time, index) => Number(BigInt(time) - posted[index]!) / 1e3);
    return { p50: percentile(microseconds, 0.5), p99: percentile(microseconds, 0.99) };
  };
  const latency = { way, listener: after(await heard), job: after(told) };
  await scene.end();
  return latency;
}

const latencies: JobLatency[] = [];
for (const way of WAYS) latencies.push(await measure(way));
console.log(JSON.stringify(latencies));
process.exit();
