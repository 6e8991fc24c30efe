import { spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../helpers/wait-for.js';
import { output, RELEASE } from './release.js';

const DEADLINE_MS = 120_000;
/** Where systemd is, in Debian. */
const INIT = /\/systemd\0?/;

/** A fresh Debian that systemd has booted, in a container of its own without a network. */
export class Machine {
  readonly root: string;
  readonly #nspawn: ChildProcess;
  readonly #exited: Promise<unknown>;
  #leader = '';

  private constructor(root: string, nspawn: ChildProcess) {
    this.root = root;
    this.#nspawn = nspawn;
    this.#exited = once(nspawn, 'exit');
  }

  /** @param suite of Debian; bookworm-rpm also has RPM. @throws when it does not boot */
  static async boot(suite: 'bookworm' | 'bookworm-rpm' | 'trixie'): Promise<Machine> {
    const root = mkdtempSync(join(RELEASE.roots, `machine-${suite}-`));
    output('tar', '-x', '-C', root, '-f', join(RELEASE.roots, `${suite}.tar`));
    // The root folder of a temporary one is closed to everybody else.
    chmodSync(root, 0o755);
    const options = ['--quiet', '--register=no', '--keep-unit', '--private-network', '--console=pipe'];
    // Not among those that systemd-nspawn leaves to a machine by itself.
    const capability = '--capability=CAP_SYSLOG';
    const nspawn = spawn('systemd-nspawn', [...options, capability, '--boot', `--directory=${root}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // For a host with the cgroup hierarchy of old, which newer versions of systemd take only when they are told to.
      env: { ...process.env, SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE: '1' },
    });
    const machine = new Machine(root, nspawn);
    let said = '';
    for (const stream of [nspawn.stdout, nspawn.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
    try {
      await waitFor(() => machine.#isUp(), { what: 'systemd to boot', deadlineMs: DEADLINE_MS });
    } catch (error) {
      await machine.stop();
      throw new Error(`the machine did not boot: ${said.slice(-2000)}`, { cause: error });
    }
    return machine;
  }

  #isUp(): boolean {
    if (this.#nspawn.exitCode !== null) throw new Error(`systemd-nspawn ended with ${this.#nspawn.exitCode}`);
    this.#leader = leaderBelow(String(this.#nspawn.pid)) ?? '';
    if (this.#leader === '') return false;
    return /^(running|degraded)/.test(this.run('systemctl', 'is-system-running').stdout);
  }

  /** Runs a program in the machine to its end. */
  run(...command: readonly string[]): SpawnSyncReturns<string> {
    const enter = [
      '--target',
      this.#leader,
      '--mount',
      '--uts',
      '--ipc',
      '--net',
      '--pid',
      '--root',
      'env',
      '--chdir=/',
    ];
    const env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      DEBIAN_FRONTEND: 'noninteractive',
    };
    return spawnSync('nsenter', [...enter, ...command], { encoding: 'utf8', env });
  }

  /** Like run, for what has to succeed. @throws with what it said */
  check(...command: readonly string[]): string {
    const { status, stdout, stderr } = this.run(...command);
    if (status !== 0) throw new Error(`${command.join(' ')}: exit code ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  async stop(): Promise<void> {
    // With its pid 1 everything in the machine ends, and then systemd-nspawn.
    if (this.#leader !== '') process.kill(Number(this.#leader), 'SIGKILL');
    else this.#nspawn.kill('SIGKILL');
    await this.#exited;
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The process that is pid 1 of the machine: a child of systemd-nspawn, or of the stub between them. */
function leaderBelow(pid: string): string | undefined {
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      for (const child of readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean)) {
        if (INIT.test(readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0')[0] ?? '')) return child;
        const below = leaderBelow(child);
        if (below !== undefined) return below;
      }
    }
  } catch {
    // It has just ended.
  }
  return undefined;
}
