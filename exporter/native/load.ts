import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { codedError } from '../errors.js';
import type { NativeAddon } from './binding.js';

const require = createRequire(import.meta.url);

/** As seen from exporter/native/ and from dist/exporter/native/, where this file runs after compilation. */
const projectRoots = ['../../', '../../../'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
const builds = ['native/build/Release/xe_exporter.node', 'native/build/Debug/xe_exporter.node'];

/**
 * Loads the native addon; nothing else does. A release build is preferred to a debug build.
 * @param explicitPath the one addon to load instead of searching.
 * @throws CodedError XEE_ADDON_NOT_LOADABLE, which lists every path tried and what each one said. Only "not found"
 *   moves the search on: an addon that is there and does not load is the answer, not a reason to take an older one.
 */
// eslint-disable-next-line no-restricted-properties -- for tests and sanitizer builds, not an option of the program
export function loadNative(explicitPath = process.env['XE_EXPORTER_NATIVE_PATH']): NativeAddon {
  const candidates = explicitPath
    ? [explicitPath]
    : projectRoots.flatMap((root) => builds.map((build) => root + build));
  const attempts: string[] = [];
  let cause: unknown;
  for (const path of candidates) {
    try {
      return require(path) as NativeAddon;
    } catch (error) {
      cause = error;
      attempts.push(`${path}: ${said(error)}`);
      if (!isNotFound(error)) break;
    }
  }
  throw codedError('XEE_ADDON_NOT_LOADABLE', { tried: ['', ...attempts].join('\n  '), fix: howToBuild() }, { cause });
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
}

function said(error: unknown): string {
  if (isNotFound(error)) return 'not found';
  return error instanceof Error ? error.message : String(error);
}

function howToBuild(): string {
  return [
    'Install a C++ compiler, make and python3, then run "npm rebuild" in the project folder:',
    '  Debian, Ubuntu:  apt-get install g++ make python3',
    '  Fedora, RHEL:    dnf install gcc-c++ make python3',
    '  Alpine:          apk add g++ make python3 musl-dev',
    `This is Node ${process.version} on ${process.platform} ${process.arch}; xe-exporter runs on Linux only.`,
  ].join('\n');
}
