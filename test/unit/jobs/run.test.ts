// `xe-exporter run` as a stand-in for its job, with real processes. What it does about GPU errors is in test/kernel.
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../../helpers/wait-for.js';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
const PATIENT = { deadlineMs: 30_000 };
const folder = mkdtempSync(join(tmpdir(), 'run-'));
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const started: ChildProcess[] = [];
after(() => started.forEach((child) => child.kill('SIGKILL')));

function start(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, 'run', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  started.push(child);
  return child;
}

async function end(child: ChildProcess): Promise<Ended> {
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  return { code, signal, stdout, stderr };
}

const run = (...args: string[]): Promise<Ended> => end(start(args));
const shell = (script: string): Promise<Ended> => run('--', 'sh', '-c', script);

/** Starts a job that says "ready" on its standard output. */
async function ready(script: string, ...options: string[]): Promise<{ child: ChildProcess; lines: () => string }> {
  const child = start([...options, '--', 'sh', '-c', script]);
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await waitFor(() => said.includes('ready\n'), { what: 'the job', ...PATIENT });
  return { child, lines: () => said };
}

describe('a job ends as it would alone', () => {
  it('with its exit code', async () => {
    for (const code of [0, 1, 75, 255]) assert.equal((await shell(`exit ${code}`)).code, code);
  });

  it('of the signal that ended it, and with 128+n where that signal leaves a core file', async () => {
    for (const signal of ['TERM', 'KILL', 'HUP', 'USR1'] as const) {
      const { code, signal: seen } = await shell(`kill -${signal} $$`);
      assert.deepEqual([code, seen], [null, `SIG${signal}`]);
    }
    assert.equal((await shell('ulimit -c 0; kill -SEGV $$')).code, 139);
  });

  it('with its arguments, its input and its output as they are', async () => {
    const child = start([
      '--on-oom=restart',
      '--',
      'sh',
      '-c',
      'cat; printf "%s|" "$@"',
      'sh',
      '--help',
      '--on-oom=x',
      '--',
      '',
    ]);
    child.stdin?.end('from standard input ');
    assert.deepEqual((await end(child)).stdout, 'from standard input --help|--on-oom=x|--||');
  });

  it('with blocking pipes, which Node.js sets to non-blocking for itself', async () => {
    const { stdout } = await shell('for fd in 0 1 2; do grep flags /proc/self/fdinfo/$fd; done');
    const flags = [...stdout.matchAll(/flags:\s*(\d+)/g)].map(([, octal]) => Number.parseInt(octal!, 8));
    assert.equal(flags.length, 3);
    for (const each of flags) assert.equal(each & 0o4000, 0, `O_NONBLOCK in ${each.toString(8)}`);
  });

  it('with its attempt and scale in the environment', async () => {
    assert.equal((await shell('echo $XE_EXPORTER_RUN_ATTEMPT $XE_EXPORTER_RUN_SCALE')).stdout, '1 1\n');
  });

  it('or not at all, with the exit code of a shell and what to do', async () => {
    const missing = await run('--', join(folder, 'missing'));
    assert.equal(missing.code, 127);
    assert.match(
      missing.stderr,
      /^xe-exporter: cannot start the job .*no such command \(ENOENT\).*\[XEE_JOB_NOT_FOUND\]\n$/,
    );
    const refused = await run('--', '/etc/passwd');
    assert.equal(refused.code, 126);
    assert.match(refused.stderr, /\(EACCES\).*\[XEE_JOB_NOT_EXECUTABLE\]/);
    for (const args of [[], ['--'], ['true']]) assert.equal((await run(...args)).code, 2);
  });
});

describe('signals', () => {
  it('are passed on', async () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) {
      const { child } = await ready(`trap 'exit 42' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`);
      child.kill(signal);
      assert.equal((await end(child)).code, 42, signal);
    }
  });

  it('are passed on also when they come just before there is a job', async () => {
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR1'] as const) {
      const hook = signalBeforeSpawn('process.pid', signal);
      const child = spawn(process.execPath, ['--require', hook, MAIN, 'run', '--', 'sleep', '600'], { stdio: 'pipe' });
      started.push(child);
      assert.equal((await end(child)).signal, signal);
    }
  });

  it('do not end run before the job, however many come', async () => {
    const { child, lines } = await ready(
      `trap 'echo term' TERM; echo ready; while [ ! -e ${folder}/go ]; do sleep 0.05; done; exit 5`,
    );
    for (let count = 1; count <= 3; count++) {
      child.kill('SIGTERM');
      await waitFor(() => lines().split('term\n').length > count, { what: `signal ${count}`, ...PATIENT });
    }
    spawnSync('touch', [join(folder, 'go')]);
    assert.equal((await end(child)).code, 5);
  });
});

describe('orphans of the job', () => {
  it('are reaped', async () => {
    const { child } = await ready('for i in 1 2 3; do (sh -c "exit 1" &) ; done; echo ready; cat >/dev/null; exit 6');
    await waitFor(() => zombiesOf(child.pid!) === 0 && childrenOf(child.pid!).length === 1, {
      what: 'that the job is its only child',
      ...PATIENT,
    });
    child.stdin?.end();
    assert.equal((await end(child)).code, 6);
  });
});

describe('a terminal', { skip: existsSync('/usr/bin/script') ? false : 'needs script(1) of util-linux' }, () => {
  it('belongs to the job, which gets each Ctrl-C once', async () => {
    const job = `trap 'echo int' INT; test -t 0 && echo ready; while [ ! -e ${folder}/done ]; do sleep 0.05; done; exit 9`;
    const child = onTerminal([MAIN, 'run', '--', 'sh', '-c', `"${job.replaceAll('$', '\\$')}"`]);
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await waitFor(() => said.includes('ready'), { what: 'the job', ...PATIENT });
    child.stdin?.write('\x03');
    await waitFor(() => said.includes('int'), { what: 'its handler', ...PATIENT });
    spawnSync('touch', [join(folder, 'done')]);
    assert.equal((await end(child)).code, 9);
    assert.equal(said.match(/int/g)?.length, 1, said);
  });

  it('ends the job with a Ctrl-C that comes just before there is one', async () => {
    const hook = signalBeforeSpawn('0', 'SIGINT');
    assert.equal((await end(onTerminal(['--require', hook, MAIN, 'run', '--', 'sleep', '600']))).code, 130);
  });
});

/** Starts Node.js on a terminal of its own. */
function onTerminal(args: readonly string[]): ChildProcess {
  // `exec`: a shell that stays in between gets each Ctrl-C too, and some (dash) end of it.
  const command = ['exec', process.execPath, ...args].join(' ');
  const env = { ...process.env, SHELL: '/bin/sh' };
  const child = spawn('script', ['-qefc', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  started.push(child);
  return child;
}

/** A module to load first, which signals `pid` in the moment before the first process is started. */
function signalBeforeSpawn(pid: string, signal: NodeJS.Signals): string {
  const path = join(folder, `before-spawn-${signal}.cjs`);
  const lines = [
    `const processes = require('node:child_process');`,
    `const { spawn } = processes;`,
    `processes.spawn = (...args) => { process.kill(${pid}, '${signal}'); return spawn(...args); };`,
    `require('node:module').syncBuiltinESMExports();`,
  ];
  writeFileSync(path, lines.join('\n'));
  return path;
}

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout.trim().split(/\s+/).filter(Boolean).map(Number);
}

function zombiesOf(pid: number): number {
  return childrenOf(pid).filter((child) => {
    try {
      return readFileSync(`/proc/${child}/stat`, 'latin1').includes(') Z ');
    } catch {
      return false;
    }
  }).length;
}
