import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Machine } from './machine.js';
import { asset, outcome, output, RELEASE } from './release.js';
import { filesOf, get, property, ready } from './service.js';

const BEFORE = '0.0.1';
const CONFIG = '/etc/xe-exporter/config.yaml';
const UNIT = 'xe-exporter.service';
const rpmVersion = RELEASE.version.replaceAll('-', '~');
const rpmOf = (architecture: string): string => asset(`xe-exporter-${rpmVersion}-1.${architecture}.rpm`);
const newest = rpmOf('x86_64');

const scratch = mkdtempSync(join(tmpdir(), 'xe-rpm-'));
after(() => rmSync(scratch, { recursive: true }));

const query = (file: string, ...args: readonly string[]): string[] =>
  output('rpm', '--query', '--package', ...args, file)
    .trim()
    .split('\n');

/** Newest version of a symbol set such as GLIBC that the package requires. */
function newestSymbol(requires: readonly string[], set: string): string {
  const versions = requires.flatMap((one) => new RegExp(`\\(${set}_([0-9.]+)\\)`).exec(one)?.[1] ?? []);
  return versions.sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).at(-1) ?? '';
}

describe('the .rpm', () => {
  // What RPM calls an architecture of Debian, and e_machine of elf(5): EM_X86_64, EM_AARCH64.
  const architectures = { amd64: ['x86_64', 62], arm64: ['aarch64', 183] } as const;
  for (const name of RELEASE.architectures) {
    const [architecture, machine] = architectures[name as keyof typeof architectures];
    it(`for ${architecture} has the files of the .deb, and programs for that architecture`, () => {
      const file = rpmOf(architecture);
      const root = join(scratch, architecture);
      output('sh', '-c', 'mkdir "$1" && rpm2archive - <"$2" | tar -xz -C "$1"', 'sh', root, file);
      for (const program of ['bin/node', 'native/build/Release/xe_exporter.node'])
        assert.equal(readFileSync(join(root, 'usr/lib/xe-exporter', program)).readUInt16LE(18), machine, program);
      const deb = asset(`xe-exporter_${rpmVersion}_${name}.deb`);
      const ofDeb = output('sh', '-c', 'dpkg-deb --fsys-tarfile "$1" | tar -t', 'sh', deb)
        .split('\n')
        .filter((path) => path !== '' && !path.endsWith('/'))
        .map((path) => path.slice(1));
      // Where each family of distributions keeps licences and completion for zsh.
      const own = /licen[cs]e|LICENSE$|\/copyright$|\/zsh\//i;
      const files = query(file, '--list');
      const missing = ofDeb.filter((path) => !files.includes(path));
      assert.deepEqual(
        missing.filter((path) => !own.test(path) || path.includes('/node_modules/')),
        [],
      );
      assert.deepEqual(query(file, '--queryformat', '%{ARCH}'), [architecture]);
    });
  }

  it('installs on RHEL 9 and everything newer: glibc 2.34 and the libstdc++ of GCC 11', () => {
    const requires = query(newest, '--requires');
    assert.equal(newestSymbol(requires, 'GLIBC'), '2.34');
    assert.equal(newestSymbol(requires, 'GLIBCXX'), '3.4.29');
    const other = requires.filter((one) => !/^(?:lib[a-z_+]+\.so|ld-linux|rtld\(|rpmlib\()/.test(one));
    assert.deepEqual([...new Set(other)].sort(), ['/bin/sh', 'systemd']);
  });

  it('keeps a changed configuration when it is upgraded', () => {
    assert.deepEqual(query(newest, '--configfiles'), [CONFIG]);
  });
});

describe('the .rpm on a machine with systemd', () => {
  let machine: Machine;
  let pristine: readonly string[];
  before(async () => {
    machine = await Machine.boot('bookworm-rpm');
    // As RPM distributions have it: nothing is enabled unless a preset says so. Debian's own enable everything.
    machine.check('mkdir', '-p', '/etc/systemd/system-preset');
    writeFileSync(join(machine.root, 'etc/systemd/system-preset/99-default.preset'), 'disable *\n');
    rpm('--initdb');
    pristine = filesOf(machine);
  });
  after(() => machine.stop());

  // Debian's libraries are in no database of RPM, hence --nodeps.
  const rpm = (...args: readonly string[]): string => machine.check('rpm', '--dbpath=/var/lib/rpm', ...args);
  const install = (file: string): void => {
    copyFileSync(file, join(machine.root, 'root/xe-exporter.rpm'));
    rpm('--upgrade', '--nodeps', '/root/xe-exporter.rpm');
  };

  /** The package as a release before would have been: nothing has been released yet, so it is this one under a lower version. */
  const releaseBefore = (): string => {
    const tree = join(scratch, 'x86_64');
    output('packaging/rpm/pack.sh', tree, BEFORE, 'amd64', scratch);
    return join(scratch, `xe-exporter-${BEFORE}-1.x86_64.rpm`);
  };

  it('neither starts nor enables the service unless a preset says so', () => {
    install(releaseBefore());
    assert.equal(machine.run('systemctl', 'is-enabled', UNIT).stdout.trim(), 'disabled');
    assert.equal(property(machine, 'ActiveState'), 'inactive');
    assert.match(machine.check('id', '-nG', 'xe-exporter'), /\brender\b/);
  });

  it('has a unit that systemd understands, and that runs when it is enabled', async () => {
    const verified = machine.run('systemd-analyze', 'verify', '--man=no', UNIT);
    assert.deepEqual([verified.status, verified.stdout + verified.stderr], [0, '']);
    machine.check('systemctl', 'enable', '--now', UNIT);
    await ready(machine);
    assert.match(get(machine, '/metrics'), /^xe_exporter_build_info\{/m);
    const { status, stderr } = machine.run('xe-exporter', 'doctor');
    assert.ok(status === 0 || status === 3, stderr);
  });

  it('is upgraded from the release before, keeps the changed configuration, and runs again', async () => {
    writeFileSync(join(machine.root, CONFIG), `${readFileSync(join(machine.root, CONFIG), 'utf8')}\nkmsg: "off"\n`);
    const pid = property(machine, 'MainPID');
    install(newest);
    assert.equal(rpm('--query', '--queryformat', '%{VERSION}', 'xe-exporter'), rpmVersion);
    await ready(machine);
    assert.notEqual(property(machine, 'MainPID'), pid);
    assert.match(readFileSync(join(machine.root, CONFIG), 'utf8'), /^kmsg: "off"$/m);
    assert.equal(machine.check('systemctl', 'is-enabled', UNIT).trim(), 'enabled');
  });

  it('is as it was packed', () => {
    // The configuration has been changed, and RPM says that it is one.
    const verified = machine.run('rpm', '--dbpath=/var/lib/rpm', '--verify', '--nodeps', 'xe-exporter').stdout;
    assert.match(verified, /^S\.5\S*\s+c \/etc\/xe-exporter\/config\.yaml\n$/);
  });

  it('leaves only what was changed and its user behind when it is erased', () => {
    rpm('--erase', 'xe-exporter');
    machine.check('rm', '/root/xe-exporter.rpm');
    assert.notEqual(machine.run('systemctl', 'cat', UNIT).status, 0);
    // RPM keeps a configuration that somebody has changed; users of packages are never deleted on these distributions.
    assert.deepEqual(
      filesOf(machine).filter((path) => !pristine.includes(path)),
      ['/etc/xe-exporter', `${CONFIG}.rpmsave`],
    );
    assert.equal(machine.run('id', 'xe-exporter').status, 0);
  });
});

describe('rpmlint', () => {
  it('finds no error in the .rpm', () => {
    const { stdout, stderr } = outcome('rpmlint', '--config', 'packaging/rpm/rpmlint.toml', newest);
    assert.match(stdout, /\b0 errors\b/, stdout + stderr);
  });
});
