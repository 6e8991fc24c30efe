#!/usr/bin/env node
// Builds the native addon without downloading anything. Plain Node and node-gyp; needs a C++ compiler, make and python3.
//
//   node native/build.mjs [--if-stale] [--debug] [--sanitize=address|undefined]
//
// CXX may name a cross compiler: CXX=aarch64-linux-gnu-g++ node native/build.mjs
//
// The result is native/build/{Release,Debug}/xe_exporter.node, with --sanitize below native/build/sanitize-<which>/build/.
// It uses Node-API alone, so one build loads in every Node from 20 on, whichever headers it was built with.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const nativeDir = dirname(fileURLToPath(import.meta.url));
const projectDir = dirname(nativeDir);
const compiler = process.env.CXX || 'g++';

class BuildProblem extends Error {}

function main() {
  const options = readOptions();
  const packageDir = options.sanitize ? join(nativeDir, 'build', `sanitize-${options.sanitize}`) : nativeDir;
  const configuration = options.debug ? 'Debug' : 'Release';
  const addon = join(packageDir, 'build', configuration, 'xe_exporter.node');
  if (options['if-stale'] && isFresh(addon)) return;

  const started = performance.now();
  checkTools();
  const nodeGyp = findNodeGyp();
  const headers = findHeaders();
  if (options.sanitize) layOutSanitizedPackage(packageDir);
  console.log('Compiling the native addon, which takes a minute or two ...');
  runNodeGyp(nodeGyp, headers.nodedir, packageDir, options);
  // make leaves an addon alone that no changed input reaches; --if-stale must see that it was looked at.
  utimesSync(addon, new Date(), new Date());

  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`Built ${relative(projectDir, addon)} in ${seconds} s with the headers in ${headers.source}`);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: { 'if-stale': { type: 'boolean' }, debug: { type: 'boolean' }, sanitize: { type: 'string' } },
    });
    if (values.sanitize !== undefined && !['address', 'undefined'].includes(values.sanitize)) {
      throw new Error(`--sanitize must be address or undefined, not ${values.sanitize}`);
    }
    return values;
  } catch (error) {
    throw new BuildProblem(error.message);
  }
}

/** Whether the addon is there and newer than everything it is made of. */
function isFresh(addon) {
  if (!existsSync(addon)) return false;
  const sources = readdirSync(join(nativeDir, 'src'), { recursive: true }).map((name) => join(nativeDir, 'src', name));
  const inputs = [
    ...sources,
    join(nativeDir, 'binding.gyp'),
    fileURLToPath(import.meta.url),
    join(projectDir, 'node_modules', 'node-addon-api', 'package.json'),
  ];
  const built = statSync(addon).mtimeMs;
  return inputs.every((input) => (statSync(input, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) <= built);
}

/** Each tool with the package that brings it. Fedora and Alpine names follow the Debian one. */
function checkTools() {
  const tools = [
    {
      what: 'a C++20 compiler such as g++ 11 (CXX names another)',
      command: compiler,
      args: ['-std=c++20', '-fsyntax-only', '-x', 'c++', '/dev/null'],
      packages: ['g++', 'gcc-c++', 'g++'],
    },
    {
      what: 'make',
      command: process.env.MAKE || 'make',
      args: ['--version'],
      packages: ['make', 'make', 'make'],
    },
    {
      what: 'Python 3',
      command: process.env.npm_config_python || process.env.PYTHON || 'python3',
      args: ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))'],
      packages: ['python3', 'python3', 'python3'],
    },
  ];
  const problems = tools.map(checkTool).filter((problem) => problem !== undefined);
  if (problems.length === 0) return;
  const missing = [0, 1, 2].map((distribution) =>
    problems.map((problem) => problem.tool.packages[distribution]).join(' '),
  );
  throw new BuildProblem(
    [
      ...problems.map(({ tool, seen }) => `needs ${tool.what}; tried ${tool.command}: ${seen}`),
      `Debian, Ubuntu:  apt-get install ${missing[0]}`,
      `Fedora, RHEL:    dnf install ${missing[1]}`,
      `Alpine:          apk add ${missing[2]} musl-dev`,
    ].join('\n  '),
  );
}

function checkTool(tool) {
  const run = runTool(tool.command, tool.args);
  if (run.status === 0) return undefined;
  const seen =
    run.error?.code === 'ENOENT'
      ? 'not found'
      : (run.error?.message ?? (run.stderr.trim() || `exit code ${run.status}`));
  return { tool, seen };
}

/** A command may have arguments of its own, as in CXX="ccache g++". */
function runTool(command, args) {
  const [program, ...prefix] = command.split(' ');
  return spawnSync(program, [...prefix, ...args], { encoding: 'utf8' });
}

/** What the compiler makes code for, in the words of Node. */
function targetArchitecture() {
  const { stdout } = runTool(compiler, ['-dumpmachine']);
  return { x86_64: 'x64', aarch64: 'arm64' }[stdout?.split('-')[0]] ?? process.arch;
}

function findNodeGyp() {
  const missing = ['node-gyp', 'node-addon-api'].filter((name) => installed(name) === undefined);
  if (missing.length > 0) {
    throw new BuildProblem(`needs ${missing.join(' and ')} in node_modules; run npm ci`);
  }
  return join(installed('node-gyp'), 'bin', 'node-gyp.js');
}

/** Node headers already on this machine: named by the user, beside the running Node, or the node-api-headers package. */
function findHeaders() {
  const prefixes = [process.execPath, realpathSync(process.execPath)].map((node) => dirname(dirname(node)));
  const named = [process.env.npm_config_nodedir, process.env.NODEDIR].filter(Boolean);
  for (const prefix of new Set([...named, ...prefixes])) {
    const include = join(prefix, 'include', 'node');
    if (existsSync(join(include, 'node_api.h')) && existsSync(join(include, 'common.gypi'))) {
      return { nodedir: prefix, source: include };
    }
  }
  const headersPackage = installed('node-api-headers');
  if (headersPackage !== undefined) {
    return { nodedir: copyPackagedHeaders(headersPackage), source: 'the node-api-headers package' };
  }
  throw new BuildProblem(
    [
      `needs the Node headers (include/node/node_api.h); tried ${[...new Set([...named, ...prefixes])].join(', ')} and the node-api-headers package`,
      'Any Node:        npm ci (installs node-api-headers)',
      'Debian, Ubuntu:  apt-get install libnode-dev',
      'Fedora, RHEL:    dnf install nodejs-devel',
      'Alpine:          apk add nodejs-dev',
      'Elsewhere:       set NODEDIR to the prefix that has include/node/node_api.h',
    ].join('\n  '),
  );
}

/** Node-API needs four headers; node-gyp also insists on Node's build settings, of which an addon needs none. */
function copyPackagedHeaders(packageDir) {
  const nodedir = join(nativeDir, 'build', 'headers');
  const include = join(nodedir, 'include', 'node');
  mkdirSync(include, { recursive: true });
  cpSync(join(packageDir, 'include'), include, { recursive: true });
  const release = { cflags: ['-O3'] };
  const debug = { cflags: ['-g', '-O0'] };
  const target = {
    cflags: ['-fPIC', '-pthread'],
    ldflags: ['-pthread'],
    configurations: { Release: release, Debug: debug },
  };
  // gyp reads Python literals, and JSON of strings, arrays and objects is one.
  writeFileSync(join(include, 'common.gypi'), JSON.stringify({ target_defaults: target }, null, 2));
  writeFileSync(join(include, 'config.gypi'), JSON.stringify({ target_defaults: {}, variables: {} }, null, 2));
  return nodedir;
}

/** node-gyp always builds into ./build of the package, so another kind of build is another package around the same source. */
function layOutSanitizedPackage(packageDir) {
  mkdirSync(packageDir, { recursive: true });
  for (const name of ['src', 'binding.gyp']) {
    rmSync(join(packageDir, name), { force: true });
    symlinkSync(join(nativeDir, name), join(packageDir, name));
  }
}

function runNodeGyp(nodeGyp, nodedir, packageDir, options) {
  const args = [
    nodeGyp,
    'configure',
    'build',
    `--directory=${packageDir}`,
    `--nodedir=${nodedir}`,
    `--arch=${targetArchitecture()}`,
    `--jobs=${availableParallelism()}`,
    '--loglevel=error',
    options.debug ? '--debug' : '--release',
    // node-gyp makes a gyp variable of an option it does not know.
    ...(options.sanitize ? [`--sanitize=${options.sanitize}`] : []),
  ];
  // binding.gyp asks `node` for an include path: that must be this Node, wherever PATH would lead.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}` };
  const run = spawnSync(process.execPath, args, {
    cwd: projectDir,
    env,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (run.status !== 0) {
    throw new BuildProblem(
      `node-gyp failed: ${run.error?.message ?? `exit code ${run.status}`}\n${run.stdout}${run.stderr}`,
    );
  }
}

/** The folder of an installed package, or undefined. */
function installed(name) {
  const folder = join(projectDir, 'node_modules', name);
  return existsSync(join(folder, 'package.json')) ? folder : undefined;
}

try {
  main();
} catch (error) {
  if (!(error instanceof BuildProblem)) throw error;
  console.error(`xe-exporter: cannot build the native addon: ${error.message}`);
  process.exitCode = 1;
}
