import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

// A project folder of its own, so that no test touches the build in use. Nothing here gets as far as compiling.
const require = createRequire(import.meta.url);
const nativeDir = new URL('../../../native/', import.meta.url).pathname;
const project = mkdtempSync(join(tmpdir(), 'xe-build-'));
const node = join(project, 'prefix', 'bin', 'node');

before(() => {
  mkdirSync(join(project, 'native'));
  for (const name of ['build.mjs', 'binding.gyp', 'src']) {
    cpSync(join(nativeDir, name), join(project, 'native', name), { recursive: true });
  }
  mkdirSync(dirname(node), { recursive: true });
  copyFileSync(process.execPath, node); // A Node without headers beside it.
});
after(() => rmSync(project, { recursive: true }));

function install(...packages: string[]): void {
  rmSync(join(project, 'node_modules'), { recursive: true, force: true });
  mkdirSync(join(project, 'node_modules'));
  for (const name of packages) {
    symlinkSync(dirname(require.resolve(`${name}/package.json`)), join(project, 'node_modules', name));
  }
}

function build(env: NodeJS.ProcessEnv, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(node, [join(project, 'native', 'build.mjs'), ...args], { env, encoding: 'utf8', timeout: 120_000 });
}

function fails(result: SpawnSyncReturns<string>, ...messages: RegExp[]): void {
  assert.equal(result.status, 1, result.stderr);
  assert.equal(result.stdout, '');
  assert.match(result.stderr, /^xe-exporter: cannot build the native addon: /);
  for (const message of messages) assert.match(result.stderr, message);
}

test('missing tools are named together, each with its package', () => {
  fails(
    build({ PATH: '/nonexistent' }),
    /needs a C\+\+20 compiler.*tried g\+\+: not found/,
    /needs make; tried make: not found/,
    /needs Python 3; tried python3: not found/,
    /apt-get install g\+\+ make python3$/m,
    /dnf install gcc-c\+\+ make python3$/m,
    /apk add g\+\+ make python3 musl-dev$/m,
  );
});

test('a compiler that was named and is too old is reported with what it said', () => {
  fails(build({ PATH: process.env['PATH'], CXX: 'sh -c "exit 1"' }), /needs a C\+\+20 compiler.*tried sh -c/);
});

test('a project without its packages asks for npm ci', () => {
  install();
  fails(build({ PATH: process.env['PATH'] }), /node-gyp and node-addon-api in node_modules; run npm ci/);
});

test('missing headers are reported with the places that were looked at', () => {
  install('node-gyp', 'node-addon-api');
  fails(
    build({ PATH: process.env['PATH'], NODEDIR: '/nowhere' }),
    /tried \/nowhere, .*prefix and the node-api-headers package/,
    /apt-get install libnode-dev/,
  );
});

test('unknown options are refused', () => {
  fails(build({}, '--fast'), /--fast/);
  fails(build({}, '--sanitize=thread'), /must be address or undefined, not thread/);
});

test('--if-stale does nothing, and says nothing, while the addon is newer than its sources', () => {
  install('node-addon-api');
  const addon = join(project, 'native', 'build', 'Release', 'xe_exporter.node');
  cpSync(join(nativeDir, 'build.mjs'), addon);
  const result = build({ PATH: '/nonexistent' }, '--if-stale');
  assert.deepEqual({ status: result.status, output: result.stdout + result.stderr }, { status: 0, output: '' });
});
