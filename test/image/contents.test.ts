import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { UNPRIVILEGED_UID } from '../../exporter/config/privilege-table.js';
import { IMAGE, podman, ROOT } from './podman.js';

interface ImageConfig {
  readonly Id: string;
  readonly Architecture: string;
  readonly Config: {
    readonly User: string;
    readonly ExposedPorts: object;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly StopSignal: string;
    readonly Labels: Readonly<Record<string, string>>;
  };
}

/** Paths below the root folder, of regular files. */
const files = readdirSync(ROOT, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length));
const sizeOf = (paths: readonly string[]): number => paths.reduce((sum, path) => sum + statSync(ROOT + path).size, 0);
const MIB = 1024 * 1024;

function isElf(path: string): boolean {
  const fd = openSync(ROOT + path, 'r');
  const magic = Buffer.alloc(4);
  readSync(fd, magic, 0, 4, 0);
  closeSync(fd);
  return magic.toString('latin1') === '\u007fELF';
}

let image: ImageConfig;
before(() => {
  [image] = JSON.parse(podman('image', 'inspect', IMAGE)) as [ImageConfig];
});

describe('the image', () => {
  it('has one program and the libraries it is linked to', () => {
    const binaries = files.filter(isElf);
    const libraries = binaries.filter((path) => /\.so(\.\d+)*$/.test(path));
    assert.deepEqual(binaries.filter((path) => !libraries.includes(path)).sort(), [
      '/app/native/build/Release/xe_exporter.node',
      '/usr/local/bin/node',
    ]);
    assert.ok(libraries.length <= 8, libraries.join(' '));
    assert.ok(!files.some((path) => /\/(?:sh|bash|dash|busybox|apt|dpkg|perl|python3?|npm|npx)$/.test(path)));
  });

  it('has no set-user-id file and none that its user cannot read', () => {
    for (const path of files) {
      const { mode, uid } = statSync(ROOT + path);
      assert.equal(mode & 0o7022, 0, path);
      assert.equal(mode & 0o444, 0o444, path);
      assert.equal(uid, 0, path);
    }
  });

  it('has nothing that only building needs', () => {
    for (const name of ['typescript', 'node-gyp', 'node-addon-api', 'eslint'])
      assert.ok(!existsSync(`${ROOT}/app/node_modules/${name}`), name);
    assert.deepEqual(
      files.filter((path) => /\.(?:map|ts|cc|h|md)$|^\/app\/dist\/test/.test(path)),
      [],
    );
  });

  it('is little more than Node.js', () => {
    const node = sizeOf(['/usr/local/bin/node']);
    const parts = {
      'Node.js': node,
      'shared libraries': sizeOf(files.filter((path) => path.startsWith('/lib'))),
      'pci.ids': sizeOf(['/usr/share/misc/pci.ids']),
      'licences and package lists': sizeOf(files.filter((path) => /^\/(?:usr\/share\/doc|var|etc)\//.test(path))),
      'npm packages': sizeOf(files.filter((path) => path.startsWith('/app/node_modules/'))),
      'the program': sizeOf(files.filter((path) => /^\/app\/(?!node_modules\/)/.test(path))),
    };
    const total = Object.values(parts).reduce((sum, size) => sum + size, 0);
    for (const [part, size] of Object.entries({ ...parts, total }))
      console.log(`${part.padEnd(28)}${(size / MIB).toFixed(1).padStart(7)} MiB`);
    assert.equal(total, sizeOf(files));
    assert.ok(total - node < node / 4, 'all the rest is less than a quarter of Node.js');
    assert.ok(parts['npm packages'] < 16 * MIB, 'a package that nobody wanted?');
  });

  it('tells scanners whose files these are', () => {
    const listed = readdirSync(`${ROOT}/var/lib/dpkg/status.d`);
    for (const name of ['libc6', 'libgcc-s1', 'libstdc++6', 'pci.ids']) {
      assert.ok(listed.includes(name), name);
      assert.match(readFileSync(`${ROOT}/var/lib/dpkg/status.d/${name}`, 'utf8'), /^Version: \S+$/m);
      assert.ok(existsSync(`${ROOT}/usr/share/doc/${name}/copyright`));
    }
    assert.match(readFileSync(`${ROOT}/etc/os-release`, 'utf8'), /^ID=debian$/m);
  });

  it('knows the names of Battlemage GPUs', () => {
    assert.match(readFileSync(`${ROOT}/usr/share/misc/pci.ids`, 'utf8'), /^\te20b {2}Battlemage/m);
  });

  it('says how it is run and what it is', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const { Config: config } = image;
    assert.equal(config.User, `${UNPRIVILEGED_UID}:${UNPRIVILEGED_UID}`);
    assert.equal(config.StopSignal, 'SIGTERM');
    assert.deepEqual(Object.keys(config.ExposedPorts), ['9464/tcp']);
    assert.deepEqual(config.Entrypoint, [
      '/usr/local/bin/node',
      '--max-semi-space-size=1',
      '/app/dist/exporter/main.js',
    ]);
    assert.deepEqual(config.Cmd, ['serve']);
    assert.deepEqual(config.Env.map((variable) => variable.split('=')[0]).sort(), [
      'NODE_ENV',
      'PATH',
      'XE_EXPORTER_REVISION',
    ]);
    const label = (name: string): string | undefined => config.Labels[`org.opencontainers.image.${name}`];
    assert.equal(label('title'), 'xe-exporter');
    assert.equal(label('licenses'), 'Apache-2.0');
    assert.equal(label('version'), version);
    assert.equal(label('revision'), '0123456789abcdef');
  });

  it('comes out the same from another folder with other times and another umask', () => {
    const [again] = JSON.parse(podman('image', 'inspect', `${IMAGE}-again`)) as [ImageConfig];
    assert.equal(again.Id, image.Id);
  });
});
