import { execFileSync } from 'node:child_process';
import { copyFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * The built program in few files, as the image and the packages have it, in an empty folder: no node_modules is within its reach.
 *
 * @returns the path of its main.js
 */
export function packProgram(folder: string): string {
  const output = join(folder, 'dist/exporter');
  execFileSync(process.execPath, [join(PROJECT, 'packaging/esbuild.mjs'), output]);
  copyFileSync(join(PROJECT, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(PROJECT, 'native'), join(folder, 'native'));
  return join(output, 'main.js');
}
