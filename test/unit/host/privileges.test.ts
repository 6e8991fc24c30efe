import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { CAPABILITY, hasCapability, readPrivileges } from '../../../exporter/host/privileges.js';

const roots: string[] = [];
afterEach(() => roots.splice(0).forEach((root) => rmSync(root, { recursive: true })));

function procWith(files: Readonly<Record<string, string>>, links: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'proc-'));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const [path, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }
  return root;
}

const STATUS = [
  'Name:\tnode',
  'Umask:\t0022',
  'Uid:\t1000\t0\t1000\t1000',
  'CapInh:\t0000000000000000',
  'CapPrm:\t000001ffffffffff',
  'CapEff:\t0000000000080004',
  'Seccomp:\t2',
  'Seccomp_filters:\t1',
].join('\n');

describe('readPrivileges', () => {
  it('reads what /proc tells of a confined process', () => {
    const proc = procWith(
      {
        'self/status': `${STATUS}\n`,
        'self/limits':
          'Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n',
        'self/attr/current': 'cri-containerd.apparmor.d (enforce)\n',
        'sys/kernel/yama/ptrace_scope': '1\n',
        'sys/kernel/osrelease': '7.2.13\n',
      },
      { 'self/ns/pid': 'pid:[4026532201]', 'self/ns/user': 'user:[4026531837]' },
    );
    assert.deepEqual(readPrivileges(proc), {
      effectiveUid: 0,
      capabilities: 0x80004n,
      seccompMode: 2,
      yamaScope: 1,
      inInitialPidNamespace: false,
      inInitialUserNamespace: true,
      securityLabel: 'cri-containerd.apparmor.d (enforce)',
      openFiles: { soft: 1024, hard: 524_288 },
      kernelRelease: '7.2.13',
    });
  });

  it('says undefined for everything /proc does not tell', () => {
    for (const value of Object.values(readPrivileges(procWith({})))) assert.equal(value, undefined);
    for (const value of Object.values(readPrivileges('/no/such/proc'))) assert.equal(value, undefined);
  });

  it('survives files with other content', () => {
    const proc = procWith({
      'self/status': 'Uid:\nCapEff:\tzz\nSeccomp:',
      'self/limits': 'Max open files',
      'sys/kernel/yama/ptrace_scope': 'x',
    });
    for (const value of Object.values(readPrivileges(proc))) assert.equal(value, undefined);
  });

  it('knows unlimited, and an SELinux label that ends with a NUL', () => {
    const proc = procWith({
      'self/limits': 'Max open files            unlimited            unlimited            files\n',
      'self/attr/current': 'system_u:system_r:container_t:s0:c1,c2\0',
    });
    assert.deepEqual(readPrivileges(proc).openFiles, { soft: Infinity, hard: Infinity });
    assert.equal(readPrivileges(proc).securityLabel, 'system_u:system_r:container_t:s0:c1,c2');
  });

  it('reads the real /proc of this process', () => {
    const { effectiveUid, capabilities, openFiles, kernelRelease } = readPrivileges('/proc');
    assert.equal(effectiveUid, process.geteuid?.());
    assert.ok(capabilities !== undefined && kernelRelease !== undefined);
    assert.ok(openFiles !== undefined && openFiles.soft > 0 && openFiles.soft <= openFiles.hard);
  });
});

describe('hasCapability', () => {
  it('looks at the bit of the effective set', () => {
    const privileges = readPrivileges(procWith({ 'self/status': STATUS }));
    assert.equal(hasCapability(privileges, CAPABILITY.sysPtrace), true);
    assert.equal(hasCapability(privileges, CAPABILITY.dacReadSearch), true);
    assert.equal(hasCapability(privileges, CAPABILITY.dacOverride), false);
  });

  it('is false when the set is unknown', () => {
    assert.equal(hasCapability(readPrivileges(procWith({})), CAPABILITY.sysPtrace), false);
  });
});
