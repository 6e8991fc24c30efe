// doctor on a node where everything works, and on one where it does not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { driverState, GPU0, GPU1, startClient } from '../guest-lib.js';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
const client = await startClient({ uid: 1000 });
after(() => client.exit());

interface Report {
  readonly status: string;
  readonly checks: readonly { readonly check: string; readonly status: string }[];
}

function doctor(launcher: readonly string[] = []): { code: number | null; report: Report } {
  const [program = '', ...args] = [...launcher, process.execPath, MAIN, 'doctor', '--json'];
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
  const { code, report } = doctor(['setpriv', '--reuid=1001', '--regid=1001', '--clear-groups', '--']);
  assert.equal(code, 3);
  assert.match(JSON.stringify(report), /CAP_SYS_PTRACE/);
});

test('nothing was attached, and nothing but looked at', () => {
  assert.equal(driverState().clients[0]?.watches, 0);
  assert.ok(driverState().devices.every(({ foreign_ioctls }) => foreign_ioctls === 0));
});
