import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
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
  t.after(() => {
    for (let each = folder; each !== root; each = dirname(each)) {
      try {
        rmdirSync(each);
      } catch {
        return; // In use by another test.
      }
    }
  });
  return folder;
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
