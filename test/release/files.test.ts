import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { asset, outcome, output, RELEASE } from './release.js';

const { version } = RELEASE;
const debian = version.replaceAll('-', '~');
const scratch = mkdtempSync(join(tmpdir(), 'xe-release-'));
after(() => rmSync(scratch, { recursive: true }));

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const json = (name: string): Json => JSON.parse(readFileSync(asset(name), 'utf8')) as Json;
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Json = any;

describe('the files of the release', () => {
  it('are all there, with checksums and provenance of each', () => {
    const names = [
      `xe-exporter_${debian}_amd64.deb`,
      `xe-exporter_${debian}_arm64.deb`,
      `xe-exporter-${debian}-1.aarch64.rpm`,
      `xe-exporter-${debian}-1.x86_64.rpm`,
      `xe-exporter-${version}-linux-amd64.tar.gz`,
      `xe-exporter-${version}-linux-arm64.tar.gz`,
      `xe-exporter-chart-${version}.tgz`,
      `xe-exporter-grafana-${version}.tar.gz`,
      `xe-exporter-image-${version}-amd64.cdx.json`,
      `xe-exporter-image-${version}-arm64.cdx.json`,
      `xe-exporter-packages-${version}.cdx.json`,
      'digests.txt',
      'prometheusrule.yaml',
      'xe-exporter.rules.yaml',
      'xe-exporter.service',
    ].sort();
    const statement = `xe-exporter-${version}.intoto.json`;
    assert.deepEqual(readdirSync(RELEASE.folder).sort(), [...names, statement, 'SHA256SUMS'].sort());
    const sums = readFileSync(asset('SHA256SUMS'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split('  '));
    assert.deepEqual(
      sums,
      [...names, statement]
        .sort()
        .map((name) => [sha256(asset(name)), name])
        .sort(([, a = ''], [, b = '']) => sums.findIndex(([, n]) => n === a) - sums.findIndex(([, n]) => n === b)),
    );
    const subjects = json(statement).subject.map(({ name, digest }: Json) => [name, digest.sha256]);
    assert.deepEqual(
      Object.fromEntries(subjects),
      Object.fromEntries(names.map((name) => [name, sha256(asset(name))])),
    );
  });

  it('come out the same from another build', () => {
    const again = join(scratch, 'again');
    const epoch = output(
      'sh',
      '-c',
      `tar -tvzf ${asset(`xe-exporter-${version}-linux-amd64.tar.gz`)} --full-time | head -n 1 | awk '{ print $4 " " $5 }'`,
    );
    const seconds = String(Date.parse(`${epoch.trim().replace(' ', 'T')}Z`) / 1000);
    const { status, stderr } = outcome(
      'env',
      `SOURCE_DATE_EPOCH=${seconds}`,
      'TZ=UTC',
      join(RELEASE.source, 'packaging/build.sh'),
      again,
      'amd64',
    );
    assert.equal(status, 0, stderr);
    for (const name of readdirSync(again)) assert.equal(sha256(join(again, name)), sha256(asset(name)), name);
  });

  it('say what they are made of', () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Json;
    const node = (JSON.parse(readFileSync('packaging/node.json', 'utf8')) as Json).version;
    const parts = (name: string): string[] => json(name).components.map((part: Json) => part.purl);
    const packages = parts(`xe-exporter-packages-${version}.cdx.json`);
    assert.ok(packages.includes(`pkg:npm/prom-client@${lock.packages['node_modules/prom-client'].version}`));
    assert.ok(packages.includes(`pkg:generic/node@${node}`));
    assert.ok(!packages.some((purl) => purl.startsWith('pkg:npm/typescript@')));
    for (const architecture of ['amd64', 'arm64']) {
      const image = parts(`xe-exporter-image-${version}-${architecture}.cdx.json`);
      assert.ok(
        image.some((purl) => purl.startsWith('pkg:deb/debian/libc6@') && purl.endsWith(`?arch=${architecture}`)),
      );
      assert.ok(image.some((purl) => /^pkg:generic\/node@24\./.test(purl)));
    }
  });
});

describe('the packages for arm64', () => {
  it('have programs for arm64 and no others', () => {
    const root = join(scratch, 'arm64');
    output('dpkg-deb', '--extract', asset(`xe-exporter_${debian}_arm64.deb`), root);
    const home = join(root, 'usr/lib/xe-exporter');
    for (const file of ['bin/node', 'native/build/Release/xe_exporter.node'])
      // e_machine of elf(5): EM_AARCH64.
      assert.equal(readFileSync(join(home, file)).readUInt16LE(18), 183, file);
    assert.equal(
      output('dpkg-deb', '--field', asset(`xe-exporter_${debian}_arm64.deb`), 'Architecture').trim(),
      'arm64',
    );
  });
});

describe('the tarball', () => {
  it('runs from wherever it is unpacked, with the Node.js it brings', () => {
    output('tar', '-x', '-C', scratch, '-f', asset(`xe-exporter-${version}-linux-amd64.tar.gz`));
    const program = join(scratch, `xe-exporter-${version}-linux-amd64`, 'bin/xe-exporter');
    const run = (...args: readonly string[]) =>
      outcome('env', '--ignore-environment', 'PATH=/usr/bin:/bin', program, ...args);
    assert.equal(run('--version').stdout, `${version}\n`);
    const { status, stdout, stderr } = run('doctor', '--json');
    assert.ok(status === 0 || status === 3, stderr);
    const { checks } = JSON.parse(stdout) as Json;
    const seen = (name: string): string => checks.find(({ check }: Json) => check === name).seen;
    assert.equal(seen('addon'), 'loaded');
    assert.equal(seen('node'), (JSON.parse(readFileSync('packaging/node.json', 'utf8')) as Json).version);
  });
});

describe('manual and completions', () => {
  const share = join(scratch, 'share');
  output('dpkg-deb', '--extract', asset(`xe-exporter_${debian}_amd64.deb`), share);

  it('groff has nothing to say against the manual page', () => {
    const said = outcome('sh', '-c', `zcat ${share}/usr/share/man/man1/xe-exporter.1.gz | groff -man -ww -z`);
    assert.deepEqual([said.status, said.stderr], [0, '']);
  });

  it('fish offers commands, options and values', () => {
    const offered = (line: string): string[] =>
      output(
        'fish',
        '--no-config',
        '-c',
        `source ${share}/usr/share/fish/vendor_completions.d/xe-exporter.fish; complete -C ${JSON.stringify(line)}`,
      )
        .trim()
        .split('\n')
        .map((one) => one.split('\t')[0] ?? '');
    assert.deepEqual(offered('xe-exporter d').sort(), ['demo', 'doctor']);
    assert.deepEqual(offered('xe-exporter doctor --exp'), ['--explain-privileges']);
    assert.deepEqual(offered('xe-exporter serve --mode f'), ['fallback']);
    assert.deepEqual(offered('xe-exporter demo --exp'), ['']);
  });

  it('zsh offers commands, options and values', () => {
    // A shell of its own in a pseudo-terminal, whose Tab lists what there is; $2 is what has to appear.
    const script = join(scratch, 'complete.zsh');
    writeFileSync(
      script,
      `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=(${share}/usr/share/zsh/vendor-completions $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=0; bindkey "^I" list-choices; print re""ady'
zpty -r -m shell seen '*ready*'
zpty -w -n shell "$1"$'\\t'
zpty -r -m shell seen "$2"
print -r -- "$seen"
zpty -d shell
`,
    );
    const offered = (line: string, pattern: string): string =>
      output('timeout', '60', 'zsh', '-f', script, line, pattern);
    assert.match(offered('xe-exporter d', '*demo*doctor*'), /demo[^]*doctor/);
    assert.match(offered('xe-exporter doctor --ex', '*explain-priv*'), /explain-priv/);
    assert.match(offered('xe-exporter serve --mode=', '*fallback*'), /auto\s+fallback/);
  });
});
