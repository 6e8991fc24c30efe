import { execFileSync, spawnSync } from 'node:child_process';

/** The image under test and its root folder, from run.sh, which also says where podman keeps its things. */
export const IMAGE = required('XE_TEST_CONTAINER_IMAGE');
export const ROOT = required('XE_TEST_CONTAINER_ROOT');

/** What a container gets that is given nothing. Of the host it has the network, because podman's own does not work everywhere. */
export const NOTHING = ['--network=host', '--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges'] as const;

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through test/image/run.sh`);
  return value;
}

/** What podman prints. @throws when it fails */
export function podman(...args: readonly string[]): string {
  return execFileSync('podman', args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

/** A container that ends by itself. */
export function runToEnd(
  options: readonly string[],
  args: readonly string[],
): { status: number | null; stdout: string } {
  const { status, stdout, stderr } = spawnSync('podman', ['run', '--rm', ...options, IMAGE, ...args], {
    encoding: 'utf8',
  });
  if (status === null || status >= 125) throw new Error(`podman cannot run the image: ${stderr}`);
  return { status, stdout };
}

/** What a container has said, on both streams. */
export function logs(name: string): string {
  const { stdout, stderr } = spawnSync('podman', ['logs', name], { encoding: 'utf8' });
  return stdout + stderr;
}

/** As {@link ExporterProcess} starts it: podman passes signals on, and the exit code. */
export function program(...options: readonly string[]): readonly string[] {
  return ['podman', 'run', '--rm', ...options, IMAGE];
}
