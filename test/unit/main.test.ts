import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../../exporter/config/schema.js';
import { METRIC } from '../../exporter/names.js';
import { parseExposition } from '../helpers/exposition.js';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { waitFor } from '../helpers/wait-for.js';

const MAIN = fileURLToPath(new URL('../../exporter/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'main-'));
after(() => rmSync(folder, { recursive: true }));

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}, main = MAIN): ChildProcess {
  return spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function ended(child: ChildProcess): Promise<Ended> {
  const { stdout, stderr } = child;
  assert.ok(stdout !== null && stderr !== null);
  const [[code], out, err] = await Promise.all([
    once(child, 'exit') as Promise<[number | null]>,
    text(stdout),
    text(stderr),
  ]);
  return { code, stdout: out, stderr: err };
}

const run = (...args: string[]): Promise<Ended> => ended(start(args));
const oneLine = (said: string): boolean => said.endsWith('\n') && said.indexOf('\n') === said.length - 1;

describe('help and version', () => {
  it('are answered on standard output with exit code 0', async () => {
    assert.deepEqual(await run('--version'), { code: 0, stdout: '0.1.0\n', stderr: '' });
    for (const args of [['--help'], ['-h'], ...Object.keys(COMMANDS).map((command) => [command, '--help'])]) {
      const { code, stdout, stderr } = await run(...args);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^Usage: xe-exporter /m);
    }
  });

  it('are answered also when something else is wrong', async () => {
    assert.equal((await run('serve', '--bogus', '--help')).code, 0);
    assert.equal((await run('--version', '--bogus')).code, 0);
  });

  it('work through a symbolic link, as npm installs it', async () => {
    symlinkSync(MAIN, join(folder, 'xe-exporter'));
    assert.equal((await ended(start(['--version'], {}, join(folder, 'xe-exporter')))).stdout, '0.1.0\n');
  });

  it('do not crash when nobody reads them', async () => {
    const child = start(['--help']);
    child.stdout?.destroy();
    const [[code], stderr] = await Promise.all([once(child, 'exit'), child.stderr ? text(child.stderr) : '']);
    assert.deepEqual([code, stderr], [0, '']);
  });
});

describe('wrong usage', () => {
  const cases: readonly [string, readonly string[], RegExp][] = [
    [
      'an unknown command',
      ['serv'],
      /^xe-exporter: "serv" is not a command\. Did you mean serve\? .*\[XEE_UNKNOWN_COMMAND\]\n$/,
    ],
    ['an unknown command with --help', ['bogus', '--help'], /^xe-exporter: "bogus" is not a command\. Run /],
    ['an inherited name', ['constructor'], /"constructor" is not a command/],
    [
      'an unknown flag',
      ['serve', '--scan-intervall=1s'],
      /^xe-exporter: "--scan-intervall" is not a flag; did you mean --scan-interval\? Run .*\[XEE_UNKNOWN_FLAG\]\n$/,
    ],
    [
      'an unknown flag without a command',
      ['--bogus'],
      /^xe-exporter: "--bogus" is not a flag\. Run "xe-exporter serve --help"/,
    ],
    [
      'a wrong value',
      ['serve', '--scan-interval=5'],
      /^xe-exporter: --scan-interval "5" must be a duration .*\[XEE_CONFIG_INVALID\]\n$/,
    ],
    [
      'a web configuration that is not there',
      ['demo', '--log-format=text', '--web-config-file=/no/such.yml'],
      /^xe-exporter: cannot read the web configuration: "\/no\/such\.yml": ENOENT\. .*\[XEE_WEB_CONFIG_UNREADABLE\]\n$/,
    ],
    [
      'a web configuration with a mistake',
      ['demo', '--log-format=text', '--web-config-file=test/fixtures/web-config/other-key.bad.yml'],
      /^xe-exporter: web configuration .*is not the key of the certificate .*\[XEE_WEB_CONFIG_INVALID\]\n$/,
    ],
    ['a file that is not there', ['serve', '--config=/no/such.yaml'], /ENOENT\. .*\[XEE_CONFIG_FILE_UNREADABLE\]\n$/],
  ];
  for (const [what, args, message] of cases) {
    it(`like ${what} ends with exit code 2 and one clear line`, async () => {
      const { code, stdout, stderr } = await run(...args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
      assert.ok(oneLine(stderr), stderr);
    });
  }
});

describe('doctor', () => {
  const args = ['doctor', `--path-sysfs=${folder}`];

  it('ends with 0 on a node without a device, and prints plain text to a pipe', async () => {
    const { code, stdout, stderr } = await run(...args);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /the exporter is idle here/);
    assert.doesNotMatch(stdout, /\u001b/);
  });

  it('prints JSON when asked by flag, variable or file', async () => {
    const file = join(folder, 'doctor.yaml');
    writeFileSync(file, 'json: true\n');
    for (const child of [
      () => start([...args, '--json']),
      () => start(args, { XE_EXPORTER_JSON: 'true' }),
      () => start([...args, '--config', file]),
    ]) {
      const { code, stdout } = await ended(child());
      assert.equal(code, 0);
      assert.equal((JSON.parse(stdout) as { status: string }).status, 'idle');
    }
  });

  it('tells of an addon that does not load instead of failing', async () => {
    const { code, stdout } = await ended(start([...args], { XE_EXPORTER_NATIVE_PATH: '/no/such.node' }));
    assert.equal(code, 0);
    assert.match(stdout, /^✘ native addon .*does not load/m);
  });
});

describe('watch', () => {
  it('refuses to follow nothing, and says of each source why', async (t) => {
    const sys = new FixtureTree(t);
    sys.xeDevice('0000:03:00.0', { renderD128: '226:128' });
    const off = ['--mode=fallback', '--kmsg=off', '--uevent=off', '--kubernetes=off'];
    const { code, stdout, stderr } = await run('watch', `--path-sysfs=${sys.root}`, ...off, '--log-format=text');
    assert.deepEqual([code, stdout], [1, '']);
    const last = stderr.trimEnd().split('\n').at(-1) ?? '';
    assert.match(last, /^xe-exporter: no source of xe device events works here: .*\[XEE_NO_EVENT_SOURCE\]$/);
    for (const source of ['watch_queue', 'kmsg', 'uevent']) assert.match(last, new RegExp(`${source}: \\S`));
  });
});

describe('a running command', () => {
  const args = ['demo', '--listen-address=127.0.0.1:0', '--demo-rate=50', '--events-stdout', '--log-level=debug'];

  interface Running {
    readonly child: ChildProcess;
    readonly url: string;
  }

  async function running(...more: string[]): Promise<Running> {
    const child = start([...args, ...more]);
    let said = '';
    // The first event is out, so that there is something to drain.
    let events = 0;
    child.stdout?.on('data', () => events++);
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    const urlIn = () => events > 0 && /"url":"(http:[^"]+)"[^\n]*is running/.exec(said)?.[1];
    return { child, url: await waitFor(urlIn, { what: 'its URL', deadlineMs: 20_000 }) };
  }

  /** Waits until a metric of a running command is what it should be. */
  async function becomes({ url }: Running, series: string, is: (value: number | undefined) => boolean): Promise<void> {
    const value = async () => parseExposition(await (await fetch(`${url}/metrics`)).text()).get(series);
    await waitFor(async () => is(await value()), { what: series, deadlineMs: 20_000 });
  }

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`stops with 0 at the first ${signal}`, async () => {
      const { child } = await running();
      child.kill(signal);
      assert.deepEqual(await once(child, 'exit'), [0, null]);
    });
  }

  it('ends at once at the second signal, with the code of that signal', async () => {
    // A collector that takes connections and never answers keeps the first signal's orderly stop busy.
    const collector = createServer().listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { port } = collector.address() as AddressInfo;
    const demo = await running(`--otlp-endpoint=http://127.0.0.1:${port}`, '--shutdown-timeout=1m');
    const { child } = demo;
    try {
      child.kill('SIGTERM');
      await becomes(demo, `${METRIC.sourceUp}{source="simulator"}`, (up) => up === 0);
      assert.equal(child.exitCode, null, 'still stopping');
      child.kill('SIGINT');
      assert.deepEqual(await once(child, 'exit'), [130, null]);
    } finally {
      child.kill('SIGKILL');
      collector.close();
    }
  });

  it('goes on when standard output is closed, and says nothing about it', async () => {
    const demo = await running();
    const { child } = demo;
    const stderr = child.stderr === null ? Promise.resolve('') : text(child.stderr);
    child.stdout?.destroy();
    const dropped = `${METRIC.eventsDropped}{stage="sink",sink="stdout",reason="closed"}`;
    await becomes(demo, dropped, (events) => events! > 0);
    assert.equal(child.exitCode, null);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.doesNotMatch(await stderr, /EPIPE|internal error/);
  });

  it('that cannot start says why, in JSON where the log is JSON', async () => {
    const { code, stderr } = await run('demo', '--listen-address=192.0.2.1:0');
    assert.equal(code, 1);
    const line = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
    assert.equal(line['code'], 'XEE_ADDRESS_NOT_AVAILABLE');
    const inText = await run('demo', '--listen-address=192.0.2.1:0', '--log-format=text');
    assert.match(inText.stderr, /^xe-exporter: cannot listen on 192\.0\.2\.1:0: .*\[XEE_ADDRESS_NOT_AVAILABLE\]$/m);
  });
});
