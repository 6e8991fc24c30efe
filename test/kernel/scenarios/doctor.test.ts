// doctor on a node where everything works, and on one where it does not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { driverState, GPU0, GPU1, setVram, startClient } from '../guest-lib.js';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
const UNPRIVILEGED = ['setpriv', '--reuid=1001', '--regid=1001', '--clear-groups', '--'];
const client = await startClient({ uid: 1000 });
/** The client has read its own. */
const fdinfoReads = (): number[] => driverState().devices.map(({ fdinfo_reads }) => fdinfo_reads);
const readBefore = fdinfoReads();
after(() => client.exit());

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly device?: string;
  readonly seen: string;
  readonly fix: string;
}

interface Report {
  readonly status: string;
  readonly checks: readonly Finding[];
}

function doctor(
  launcher: readonly string[] = [],
  flags: readonly string[] = [],
): { code: number | null; report: Report } {
  const [program = '', ...args] = [...launcher, process.execPath, MAIN, 'doctor', '--json', ...flags];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  assert.notEqual(stdout, '', stderr);
  return { code: status, report: JSON.parse(stdout) as Report };
}

test('everything works: exit code 0, both devices proven, the client can be borrowed', () => {
  const { code, report } = doctor();
  assert.deepEqual(
    report.checks.filter(({ status }) => status === 'fail'),
    [],
  );
  assert.equal(code, 0);
  const text = JSON.stringify(report);
  for (const bdf of [GPU0, GPU1]) assert.ok(text.includes(bdf), bdf);
  assert.match(text, /0x0f/);
});

test('without privileges: exit code 3, and the fix names the capability', () => {
  const { code, report } = doctor(UNPRIVILEGED);
  assert.equal(code, 3);
  assert.match(JSON.stringify(report), /CAP_SYS_PTRACE/);
});

test('memory: what is there and from where, and without privileges what is lost', () => {
  const memoryOf = (report: Report): Finding[] => report.checks.filter(({ check }) => check === 'memory');
  setVram({ client: client.id }, 3 * 2 ** 30);
  const [first, second] = memoryOf(doctor().report);
  assert.deepEqual([first?.device, first?.status], [GPU0, 'ok']);
  assert.match(
    first!.seen,
    /^vram0 3\.0 of \d+\.\d GiB used, gtt .*, from debugfs; memory of 1 of 1 open files, from fdinfo$/,
  );
  assert.deepEqual([second?.device, second?.status], [GPU1, 'ok']);
  assert.doesNotMatch(second!.seen, /fdinfo/);

  const byQuery = memoryOf(doctor([], ['--path-debugfs=/nowhere']).report);
  assert.match(byQuery[0]!.seen, /from the render node/);

  // The render nodes are open to everybody; fdinfo of another user is not.
  const [denied] = memoryOf(doctor(UNPRIVILEGED).report);
  assert.equal(denied!.status, 'warn');
  assert.match(denied!.seen, /from the render node; clients in \d+ processes/);
});

test('nothing was attached, and nothing but looked at', () => {
  assert.equal(driverState().clients[0]?.watches, 0);
  assert.ok(driverState().devices.every(({ foreign_ioctls }) => foreign_ioctls === 0));
  assert.deepEqual(fdinfoReads(), readBefore);
});
