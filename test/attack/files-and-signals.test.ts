import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { inTime, waitFor } from '../helpers/wait-for.js';
import { ask } from './rightful.js';
import { ANSWER_MS, commandLine, demo, isAlive, memory, SHORT, signal, stop } from './target.js';

/** Runs it to its end. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [program = '', ...options] = commandLine().command;
  const child = spawn(program, [...options, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [said, [code]] = await inTime(
    Promise.all([text(child.stderr), once(child, 'exit') as Promise<[number | null]>]),
    'the exporter to end',
  );
  return { code, said };
}

it('a configuration that is a pipe or a device is refused at once', async (t) => {
  const folder = new FixtureTree(t).root;
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  for (const path of [pipe, '/dev/zero', '/dev/tty', folder]) {
    for (const flag of ['--config', '--web-config-file']) {
      const { code, said } = await run(['demo', `${flag}=${path}`]);
      assert.equal(code, 2, `${flag}=${path}`);
      assert.match(said, /not a regular file|ENXIO|ENOENT/);
    }
  }
});

it('a configuration that becomes a pipe under a running exporter changes nothing', async (t) => {
  const file = join(new FixtureTree(t).root, 'c.yaml');
  writeFileSync(file, 'events: [vm_rebind_error]\n'.replace('[vm_rebind_error]', 'all'));
  const exporter = await demo(t, { args: ['--log-level=debug'] });
  await stop(exporter);
  writeFileSync(file, 'logLevel: debug\n');
  const reloading = await demo(t, { args: [`--config=${file}`] });
  rmSync(file);
  execFileSync('mkfifo', [file]);
  signal(reloading, 'SIGHUP');
  await waitFor(() => reloading.log.some(({ msg }) => /not a regular file/.test(String(msg))), { what: 'the refusal' });
  assert.equal((await ask(`${reloading.url}/healthz`)).status, 200);
  assert.equal((await stop(reloading)).code, 0);
});

it('an exporter that is told to reload while it starts does so when it is up', async (t) => {
  const file = join(new FixtureTree(t).root, 'c.yaml');
  writeFileSync(file, 'logLevel: debug\n');
  const { command, pidOf } = commandLine();
  const [program = '', ...options] = command;
  const child = spawn(
    program,
    [...options, 'serve', '--listen-address=127.0.0.1:0', '--log-format=json', `--config=${file}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const pid = await waitFor(() => pidOf(child), { what: 'the process' });
  t.after(() => child.exitCode === null && process.kill(pid, 'SIGKILL'));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  // As early as a process can: SIGHUP is bit 0 of the caught signals.
  await waitFor(() => parseInt(/^SigCgt:\s+([0-9a-f]+)/m.exec(statusOf(pid))?.[1] ?? '0', 16) & 1, {
    what: 'SIGHUP to be handled',
    deadlineMs: 20_000,
  });
  assert.equal(said, '');
  for (let count = 0; count < 10; count++) process.kill(pid, 'SIGHUP');
  await waitFor(() => /configuration reloaded/.test(said), { what: 'the reload', deadlineMs: 30_000 });
  process.kill(pid, 'SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  assert.equal(code, 0);
});

it('thousands of reloads cost no memory', async (t) => {
  const exporter = await demo(t);
  const before = await memory(exporter);
  for (let count = 0; count < (SHORT ? 2_000 : 10_000); count++) signal(exporter, 'SIGHUP');
  assert.equal((await ask(`${exporter.url}/healthz`)).status, 200);
  const { peak } = await memory(exporter);
  t.diagnostic(`${Math.round(before.rss)} -> ${Math.round(peak)} MiB`);
  assert.ok(peak - before.rss < 64);
});

it('addresses that do not exist and certificates that cannot be read are clear errors', async () => {
  const zone = await run(['demo', '--listen-address=[fe80::1%nope]:9720']);
  assert.equal(zone.code, 1);
  assert.match(zone.said, /no such address/);
  const certificate = await run(['demo', '--otlp-endpoint=https://127.0.0.1:1'], {
    OTEL_EXPORTER_OTLP_CERTIFICATE: '/nope',
  });
  assert.equal(certificate.code, 2);
  assert.match(certificate.said, /OTEL_EXPORTER_OTLP_CERTIFICATE names the file '\/nope'/);
  const negated = await run(['demo', '--no-events-http=false']);
  assert.match(negated.said, /takes no value: write --events-http/);
});

it('what Node warns of is a line of the log', async (t) => {
  const exporter = await demo(t, { args: ['--demo-rate=1000000'] });
  for (let count = 0; count < 20; count++) await ask(`${exporter.url}/metrics`);
  assert.ok(await isAlive(exporter));
  assert.deepEqual(
    exporter.log.filter(({ raw, kind }) => raw !== undefined || kind === 'MaxListenersExceededWarning'),
    [],
  );
  assert.ok((await stop(exporter)).ms < ANSWER_MS);
});

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
