import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Machine } from './machine.js';
import { asset, output, RELEASE } from './release.js';
import { filesOf, get, property, ready } from './service.js';

/** systemd's own scale from 0 (nothing is open) to 10; what is left is what watching takes. */
const MOST_EXPOSED = 3;
const BEFORE = '0.0.1';
const CONFIG = '/etc/xe-exporter/config.yaml';
const debian = RELEASE.version.replaceAll('-', '~');
const newest = asset(`xe-exporter_${debian}_amd64.deb`);

const scratch = mkdtempSync(join(tmpdir(), 'xe-package-'));
after(() => rmSync(scratch, { recursive: true }));

/** The package as a release before would have been: nothing has been released yet, so it is this one under a lower version. */
function releaseBefore(): string {
  const [tree, deb] = [join(scratch, 'before'), join(scratch, `xe-exporter_${BEFORE}_amd64.deb`)];
  output('dpkg-deb', '--raw-extract', newest, tree);
  const control = join(tree, 'DEBIAN/control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*/m, `Version: ${BEFORE}`));
  output('dpkg-deb', '--root-owner-group', '-Zzstd', '-z1', '--build', tree, deb);
  rmSync(tree, { recursive: true });
  return deb;
}

for (const suite of ['bookworm', 'trixie'] as const) {
  describe(`the .deb in a fresh Debian ${suite}`, () => {
    let machine: Machine;
    let pristine: readonly string[];
    before(async () => {
      machine = await Machine.boot(suite);
      pristine = filesOf(machine);
    });
    after(() => machine.stop());

    const install = (deb: string): string => {
      copyFileSync(deb, join(machine.root, 'root/xe-exporter.deb'));
      return machine.check(
        'apt-get',
        'install',
        '--yes',
        '--no-install-recommends',
        '-o',
        'Dpkg::Options::=--force-confold',
        '/root/xe-exporter.deb',
      );
    };

    it('gives a running service that starts at boot, with one command', async () => {
      install(releaseBefore());
      assert.equal(machine.check('systemctl', 'is-enabled', 'xe-exporter').trim(), 'enabled');
      await ready(machine);
      assert.equal(property(machine, 'ActiveState'), 'active');
      assert.equal(property(machine, 'NRestarts'), '0');
      assert.match(
        get(machine, '/metrics'),
        new RegExp(`^xe_exporter_build_info\\{.*version="${RELEASE.version.replaceAll('.', '\\.')}"`, 'm'),
      );
    });

    it('does not run as root, and has the three capabilities of the privilege table', () => {
      const status = statusOf(machine);
      const uid = machine.check('id', '-u', 'xe-exporter').trim();
      assert.notEqual(uid, '0');
      assert.match(status, new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, 'm'));
      const expected = '0000000400080004'; // DAC_READ_SEARCH 2, SYS_PTRACE 19, SYSLOG 34
      for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        assert.match(status, new RegExp(`^${set}:\\t${expected}$`, 'm'));
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(machine.check('id', '-nG', 'xe-exporter'), /\brender\b/);
    });

    it('has a unit that systemd understands and judges well', () => {
      const verified = machine.run('systemd-analyze', 'verify', '--man=no', 'xe-exporter.service');
      assert.deepEqual([verified.status, verified.stdout + verified.stderr], [0, '']);
      const judged = machine.check(
        'systemd-analyze',
        'security',
        `--threshold=${MOST_EXPOSED * 10}`,
        'xe-exporter.service',
      );
      assert.match(judged, /Overall exposure level/);
    });

    it('reads the trace as root, with no capability more, by the drop-in among its documents', async () => {
      const dropIn = '/etc/systemd/system/xe-exporter.service.d/trace.conf';
      machine.check('install', '-D', '-m', '644', '/usr/share/doc/xe-exporter/trace.conf', dropIn);
      await restarted(machine);
      const verified = machine.run('systemd-analyze', 'verify', '--man=no', 'xe-exporter.service');
      assert.deepEqual([verified.status, verified.stdout + verified.stderr], [0, '']);
      const status = statusOf(machine);
      assert.match(status, /^Uid:\t0\t0\t0\t0$/m);
      for (const set of ['CapPrm', 'CapEff', 'CapBnd'])
        assert.match(status, new RegExp(`^${set}:\\t0000000400080004$`, 'm'));
      machine.check('rm', '-r', '/etc/systemd/system/xe-exporter.service.d');
      await restarted(machine);
    });

    for (const { topic, says } of [
      { topic: 'Hardware error counters', says: () => assert.match(statusOf(machine), /^CapEff:\t0000000400081004$/m) },
      {
        topic: "The jobs' socket",
        says: () => {
          machine.check('test', '-S', '/run/xe-exporter/jobs.sock');
          assert.equal(machine.check('stat', '--format=%U %a', '/var/lib/xe-exporter').trim(), 'xe-exporter 700');
          assert.match(get(machine, '/metrics'), /^xe_exporter_feature_info\{feature="jobs",state="active"\} 1$/m);
        },
      },
    ])
      it(`runs with the drop-in that docs/bare-metal.md shows for: ${topic}`, async () => {
        const folder = '/etc/systemd/system/xe-exporter.service.d';
        machine.check('mkdir', '-p', folder);
        writeFileSync(join(machine.root, folder, 'shown.conf'), blockOf('docs/bare-metal.md', topic, 'ini'));
        await restarted(machine);
        says();
        machine.check('rm', '-r', folder);
        await restarted(machine);
      });

    it('has doctor on the PATH, which judges what the service is configured to', () => {
      writeFileSync(join(machine.root, CONFIG), `${readFileSync(join(machine.root, CONFIG), 'utf8')}\nkmsg: "off"\n`);
      const { status, stdout, stderr } = machine.run('xe-exporter', 'doctor');
      assert.ok(status === 0 || status === 3, stderr);
      assert.match(stdout, /switched off by --kmsg/);
    });

    it('reads the configuration again on reload, and goes on', async () => {
      const pid = property(machine, 'MainPID');
      machine.check('systemctl', 'reload', 'xe-exporter');
      await ready(machine);
      assert.equal(property(machine, 'MainPID'), pid);
    });

    it('is upgraded from the release before, keeps the changed configuration, and runs again', async () => {
      const pid = property(machine, 'MainPID');
      install(newest);
      assert.equal(machine.check('dpkg-query', '--showformat=${Version}', '--show', 'xe-exporter'), debian);
      await ready(machine);
      assert.notEqual(property(machine, 'MainPID'), pid);
      assert.match(readFileSync(join(machine.root, CONFIG), 'utf8'), /^kmsg: "off"$/m);
    });

    it('ends within its time when it is stopped', () => {
      machine.check('systemctl', 'stop', 'xe-exporter');
      assert.equal(property(machine, 'Result'), 'success');
      assert.equal(property(machine, 'ActiveState'), 'inactive');
      machine.check('systemctl', 'start', 'xe-exporter');
    });

    it('leaves nothing behind when it is purged', () => {
      machine.check('apt-get', 'purge', '--yes', 'xe-exporter');
      machine.check('rm', '/root/xe-exporter.deb');
      assert.notEqual(machine.run('systemctl', 'cat', 'xe-exporter').status, 0);
      assert.notEqual(machine.run('id', 'xe-exporter').status, 0);
      assert.deepEqual(
        filesOf(machine).filter((path) => !pristine.includes(path)),
        [],
      );
    });

    it('makes room for the tarball, which runs as a service by the commands of INSTALL.md', async () => {
      const commands = blockOf('INSTALL.md', 'Bare metal, with systemd', 'sh', 'tar -x').replaceAll('sudo ', '');
      const name = `xe-exporter-${RELEASE.version}-linux-amd64.tar.gz`;
      copyFileSync(asset(name), join(machine.root, 'root', name));
      machine.check('sh', '-ec', `cd /root\n${commands}`);
      await ready(machine);
      assert.equal(machine.check('systemctl', 'is-enabled', 'xe-exporter').trim(), 'enabled');
      const { status, stderr } = machine.run('xe-exporter', 'doctor');
      assert.ok(status === 0 || status === 3, stderr);
    });
  });
}

/** What the kernel says of the service's process. */
function statusOf(machine: Machine): string {
  return machine.check('cat', `/proc/${property(machine, 'MainPID')}/status`);
}

/** Has systemd read its units again and start the service anew, and waits for it to be ready. */
async function restarted(machine: Machine): Promise<void> {
  machine.check('systemctl', 'daemon-reload');
  // systemd refuses a sixth start within 10 s, which is no more than these tests take.
  machine.check('systemctl', 'reset-failed', 'xe-exporter');
  machine.check('systemctl', 'restart', 'xe-exporter');
  await ready(machine);
}

/** The first block of a language under a heading of a document; with a text, the first that has it. */
function blockOf(document: string, heading: string, language: string, having = ''): string {
  const [, section = ''] = readFileSync(document, 'utf8').split(`\n## ${heading}\n`);
  const blocks = [...section.split('\n## ')[0]!.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))];
  const block = blocks.map(([, text = '']) => text).find((text) => text.includes(having));
  if (block === undefined) throw new Error(`${document} shows no ${language} ${having} under ${heading}`);
  return block;
}
