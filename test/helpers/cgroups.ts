import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** Runs a command in the cgroup whose folder is its first argument. */
export const IN_CGROUP: readonly string[] = ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"'];

/** Where this process may make cgroups; undefined where it may not. */
export const cgroupRoot: string | undefined = readFileSync('/proc/mounts', 'utf8')
  .split('\n')
  .filter((line) => line.split(' ')[2] === 'cgroup2')
  .map((line) => line.split(' ')[1] ?? '')
  .find(isWritable);

/** Makes a cgroup that goes with the test, once all of its processes have ended. @returns its folder */
export function makeCgroup(t: Pick<TestContext, 'after'>, path: string): string {
  const root = cgroupRoot ?? '';
  const folder = join(root, path);
  mkdirSync(folder, { recursive: true });
  t.after(() => removeBelow(root, folder));
  return folder;
}

/** Removes what a container runtime leaves of a cgroup, in each hierarchy. @returns false while something is left */
export function removeCgroup(path: string): boolean {
  const folders = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type = '']) => ['cgroup', 'cgroup2'].includes(type))
    .map(([, root = '']) => ({ root, folder: join(root, path) }));
  for (const { root, folder } of folders) removeBelow(root, folder);
  return !folders.some(({ folder }) => existsSync(folder));
}

function removeBelow(root: string, folder: string): void {
  for (let each = folder; each !== root; each = dirname(each)) {
    try {
      rmdirSync(each);
    } catch (error) {
      // Anything else: it is in use by another test.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return;
    }
  }
}

function isWritable(root: string): boolean {
  const probe = join(root, `xe-exporter-test-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    return false;
  }
}
