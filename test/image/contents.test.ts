import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { UNPRIVILEGED_UID } from '../../exporter/privileges/table.js';
import { AMD64, IMAGES, podman, type TestImage } from './podman.js';

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

const MIB = 1024 * 1024;

function inspect(name: string): ImageConfig {
  const [config] = JSON.parse(podman('image', 'inspect', name)) as [ImageConfig];
  return config;
}

/** Paths below the root folder, of regular files. */
function filesOf({ root }: TestImage): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
}

/** e_machine of an ELF file, by elf(5); undefined for any other file. */
function machineOf(path: string): number | undefined {
  const fd = openSync(path, 'r');
  const header = Buffer.alloc(20);
  readSync(fd, header, 0, header.length, 0);
  closeSync(fd);
  return header.toString('latin1', 0, 4) === '\u007fELF' ? header.readUInt16LE(18) : undefined;
}

/** EM_X86_64 and EM_AARCH64. */
const MACHINES = { amd64: 62, arm64: 183 } as const;

for (const image of IMAGES)
  describe(`the image for ${image.architecture}`, () => {
    const { root } = image;
    const files = filesOf(image);
    const sizeOf = (paths: readonly string[]): number =>
      paths.reduce((sum, path) => sum + statSync(root + path).size, 0);

    it('has one program and the libraries it is linked to', () => {
      const binaries = files.filter((path) => machineOf(root + path) !== undefined);
      const libraries = binaries.filter((path) => /\.so(\.\d+)*$/.test(path));
      assert.deepEqual(binaries.filter((path) => !libraries.includes(path)).sort(), [
        '/app/native/build/Release/xe_exporter.node',
        '/usr/local/bin/node',
      ]);
      assert.ok(libraries.length <= 8, libraries.join(' '));
      assert.ok(!files.some((path) => /\/(?:sh|bash|dash|busybox|apt|dpkg|perl|python3?|npm|npx)$/.test(path)));
    });

    it('is for that architecture and no other', () => {
      assert.equal(inspect(image.name).Architecture, image.architecture);
      const machines = new Set(files.map((path) => machineOf(root + path)));
      assert.deepEqual(machines, new Set([undefined, MACHINES[image.architecture]]));
      for (const name of readdirSync(`${root}/var/lib/dpkg/status.d`)) {
        const [, architecture = ''] =
          /^Architecture: (\S+)$/m.exec(readFileSync(`${root}/var/lib/dpkg/status.d/${name}`, 'utf8')) ?? [];
        assert.ok(['all', image.architecture].includes(architecture), `${name} ${architecture}`);
      }
    });

    it('has no set-user-id file and none that its user cannot read', () => {
      for (const path of files) {
        const { mode, uid } = statSync(root + path);
        assert.equal(mode & 0o7022, 0, path);
        assert.equal(mode & 0o444, 0o444, path);
        assert.equal(uid, 0, path);
      }
    });

    it('has nothing that only building needs', () => {
      for (const name of ['typescript', 'esbuild', 'node-gyp', 'node-addon-api', 'eslint'])
        assert.ok(!existsSync(`${root}/app/node_modules/${name}`), name);
      assert.deepEqual(
        files.filter((path) => /\.(?:map|ts|cc|h)$|^\/app\/dist\/test/.test(path)),
        [],
      );
    });

    it('has the name and the licence of each npm package whose code is in the program, and no other file of it', () => {
      const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
        packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean }>>;
      };
      for (const [path, { dev, optional }] of Object.entries(packages))
        if (path !== '' && !dev && !optional) assert.ok(existsSync(`${root}/app/${path}/package.json`), path);
      assert.deepEqual(
        files.filter(
          (path) =>
            path.startsWith('/app/node_modules/') && !/\/(?:package\.json|(?:licen[cs]e|notice)[^/]*)$/i.test(path),
        ),
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
        'licences of npm packages': sizeOf(files.filter((path) => path.startsWith('/app/node_modules/'))),
        'the program': sizeOf(files.filter((path) => /^\/app\/(?!node_modules\/)/.test(path))),
      };
      const total = Object.values(parts).reduce((sum, size) => sum + size, 0);
      for (const [part, size] of Object.entries({ ...parts, total }))
        console.log(`${part.padEnd(28)}${(size / MIB).toFixed(1).padStart(7)} MiB`);
      assert.equal(total, sizeOf(files));
      assert.ok(total - node < node / 4, 'all the rest is less than a quarter of Node.js');
      assert.ok(parts['the program'] < 8 * MIB, 'a package that nobody wanted?');
    });

    it('tells scanners whose files these are', () => {
      const listed = readdirSync(`${root}/var/lib/dpkg/status.d`);
      for (const name of ['libc6', 'libgcc-s1', 'libstdc++6', 'pci.ids']) {
        assert.ok(listed.includes(name), name);
        assert.match(readFileSync(`${root}/var/lib/dpkg/status.d/${name}`, 'utf8'), /^Version: \S+$/m);
        assert.ok(existsSync(`${root}/usr/share/doc/${name}/copyright`));
      }
      assert.match(readFileSync(`${root}/etc/os-release`, 'utf8'), /^ID=debian$/m);
    });

    it('knows the names of Battlemage GPUs', () => {
      assert.match(readFileSync(`${root}/usr/share/misc/pci.ids`, 'utf8'), /^\te20b {2}Battlemage/m);
    });

    it('says how it is run and what it is', () => {
      const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
      const { Config: config } = inspect(image.name);
      assert.equal(config.User, `${UNPRIVILEGED_UID}:${UNPRIVILEGED_UID}`);
      assert.equal(config.StopSignal, 'SIGTERM');
      assert.deepEqual(Object.keys(config.ExposedPorts), ['9464/tcp']);
      assert.deepEqual(config.Entrypoint, ['/usr/local/bin/xe-exporter']);
      assert.deepEqual(config.Cmd, ['serve']);
      assert.deepEqual(config.Env.map((variable) => variable.split('=')[0]).sort(), [
        'NODE_ENV',
        'NODE_OPTIONS',
        'PATH',
        'XE_EXPORTER_REVISION',
      ]);
      const label = (name: string): string | undefined => config.Labels[`org.opencontainers.image.${name}`];
      assert.equal(label('title'), 'xe-exporter');
      assert.equal(label('licenses'), 'Apache-2.0');
      assert.equal(label('version'), version);
      assert.equal(label('revision'), '0123456789abcdef');
    });
  });

describe('images', () => {
  it('have the same files for every architecture', () => {
    // The loader has a name of its own, and a place, by architecture.
    const neutral = (image: TestImage): readonly string[] =>
      filesOf(image)
        .map((path) => path.replace(/^\/lib(?:64)?\/ld-linux-[\w-]+\.so\.\d$/, '<loader>'))
        .map((path) => path.replace(/^\/lib\/\w+-linux-gnu\//, '<libraries>/'))
        .sort();
    for (const image of IMAGES) assert.deepEqual(neutral(image), neutral(AMD64), image.architecture);
  });

  it('come out the same from another folder with other times and another umask', () => {
    assert.equal(inspect(`${AMD64.name}-again`).Id, inspect(AMD64.name).Id);
  });
});
