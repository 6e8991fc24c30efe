import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { waitFor } from '../helpers/wait-for.js';

/** slurmd's name of the only node; its cgroup is `slurm_<name>`. */
const NODE = 'localhost';

/** A cluster of one node with munge, controller and node daemon of its own, as root, on free ports and in one folder. */
export class SlurmCluster {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string | undefined>>;

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#env = { ...process.env, ...env, SLURM_CONF: join(folder, 'slurm.conf') };
  }

  /**
   * @param settings lines of slurm.conf that the recipe demands
   * @param env what jobs and daemons have in their environment
   */
  static async start(
    t: Pick<TestContext, 'after'>,
    folder: string,
    settings: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<SlurmCluster> {
    for (const name of ['state', 'spool']) mkdirSync(join(folder, name));
    const munge = join(folder, 'munge.socket');
    const [controllerPort, nodePort] = await freePorts();
    writeFileSync(join(folder, 'munge.key'), randomBytes(32), { mode: 0o400 });
    writeFileSync(join(folder, 'gres.conf'), 'Name=gpu Count=1 File=/dev/null\n');
    writeFileSync(join(folder, 'cgroup.conf'), 'CgroupAutomount=yes\nIgnoreSystemd=yes\n');
    const conf = [
      'ClusterName=recipes',
      `SlurmctldHost=${NODE}`,
      `SlurmctldPort=${controllerPort}`,
      `SlurmdPort=${nodePort}`,
      'AuthType=auth/munge',
      // A job that is queued again waits for as long as credentials last: 2 minutes by default.
      `AuthInfo=socket=${munge},cred_expire=5`,
      'SlurmUser=root',
      'SlurmdUser=root',
      `StateSaveLocation=${join(folder, 'state')}`,
      `SlurmdSpoolDir=${join(folder, 'spool')}`,
      `SlurmctldPidFile=${join(folder, 'slurmctld.pid')}`,
      `SlurmdPidFile=${join(folder, 'slurmd.pid')}`,
      'ProctrackType=proctrack/cgroup',
      'TaskPlugin=task/none',
      'SelectType=select/cons_tres',
      'SelectTypeParameters=CR_Core',
      'GresTypes=gpu',
      'SchedulerType=sched/builtin',
      'SchedulerParameters=sched_interval=1',
      'ReturnToService=2',
      'SlurmdParameters=config_overrides',
      `NodeName=${NODE} CPUs=4 RealMemory=100 Gres=gpu:1`,
      'PartitionName=all Nodes=ALL Default=YES',
      ...settings,
    ];
    writeFileSync(join(folder, 'slurm.conf'), `${conf.join('\n')}\n`);
    const cluster = new SlurmCluster(folder, env);
    await cluster.#daemon(t, 'munged', [
      '--foreground',
      '--force',
      `--socket=${munge}`,
      `--key-file=${join(folder, 'munge.key')}`,
      `--pid-file=${join(folder, 'munged.pid')}`,
      `--seed-file=${join(folder, 'munged.seed')}`,
    ]);
    await cluster.#daemon(t, 'slurmctld', ['-D']);
    await cluster.#daemon(t, 'slurmd', ['-D', '-N', NODE]);
    await waitFor(() => cluster.#ask('sinfo', ['-h', '-o', '%T']) === 'idle', { what: `an idle node in ${folder}` });
    return cluster;
  }

  /** @returns number of the job */
  submit(script: string, args: readonly string[] = []): string {
    const id = this.#ask('sbatch', ['--parsable', `--chdir=${this.#folder}`, '--output=%j.out', ...args, script]);
    assert.match(id, /^\d+$/, 'sbatch');
    return id;
  }

  cancel(id: string): void {
    this.#ask('scancel', [id]);
  }

  /** Waits for the end of a job. @returns its state, how often it was queued again, and what it said */
  async ended(id: string): Promise<{ readonly state: string; readonly restarts: number; readonly said: string }> {
    const job = await waitFor(
      () => {
        const text = this.#ask('scontrol', ['-o', 'show', 'job', id]);
        return /JobState=(?:COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|LAUNCH_FAILED)/.test(text) && text;
      },
      { what: `the end of job ${id}: ${this.said(id)}`, deadlineMs: 120_000 },
    );
    const state = /JobState=(\w+)/.exec(job)?.[1] ?? '';
    return { state, restarts: Number(/Restarts=(\d+)/.exec(job)?.[1]), said: this.said(id) };
  }

  said(id: string): string {
    try {
      return readFileSync(join(this.#folder, `${id}.out`), 'utf8');
    } catch {
      return '';
    }
  }

  #ask(program: string, args: readonly string[]): string {
    const { stdout, stderr } = spawnSync(program, args, { env: this.#env, encoding: 'utf8' });
    if (stderr) appendFileSync(join(this.#folder, 'commands.log'), `${program}: ${stderr}`);
    return stdout.trim();
  }

  async #daemon(t: Pick<TestContext, 'after'>, program: string, args: readonly string[]): Promise<void> {
    const child = spawn(program, args, { env: this.#env, stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (text: Buffer) => appendFileSync(join(this.#folder, `${program}.log`), text));
    const ended = once(child, 'close');
    await once(child, 'spawn');
    t.after(async () => {
      child.kill();
      await ended;
    });
  }
}

/** Two that are free now. */
async function freePorts(): Promise<readonly number[]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) server.close();
  return ports;
}
