import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What run.sh has released: version, folder of its files, and where its image and chart are. */
export const RELEASE = {
  version: required('VERSION'),
  folder: required('RELEASE'),
  /** The tree it was made from. */
  source: required('SOURCE'),
  registry: required('REGISTRY'),
  /** Those of the packages, as Debian calls them. */
  architectures: required('ARCHITECTURES').split(' '),
  /** Folder with bookworm.tar, bookworm-rpm.tar and trixie.tar, fresh roots of Debian. */
  roots: required('ROOTS'),
} as const;

/** Path of a file of the release. */
export function asset(name: string): string {
  return join(RELEASE.folder, name);
}

/** The image and the chart by digest, as digests.txt has them. */
export function digests(): { readonly image: string; readonly chart: string } {
  const [image = '', chart = ''] = readFileSync(asset('digests.txt'), 'utf8').split('\n');
  return { image, chart };
}

/** What a program prints. @throws with what it said when it fails */
export function output(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Like {@link output} for a program that may fail. */
export function outcome(command: string, ...args: readonly string[]) {
  return spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

function required(name: string): string {
  const value = process.env[`XE_EXPORTER_TEST_${name}`];
  if (value === undefined) throw new Error(`XE_EXPORTER_TEST_${name} is not set: run npm run test:release`);
  return value;
}
