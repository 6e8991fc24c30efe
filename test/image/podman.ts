import { execFileSync, spawnSync } from 'node:child_process';

/** An image under test; run.sh, which makes them, also says where podman keeps its things. */
export interface TestImage {
  readonly architecture: 'amd64' | 'arm64';
  readonly name: string;
  /** The folder its files are unpacked in. */
  readonly root: string;
}

export const AMD64: TestImage = {
  architecture: 'amd64',
  name: required('XE_TEST_CONTAINER_IMAGE'),
  root: required('XE_TEST_CONTAINER_ROOT'),
};
const arm64 = process.env['XE_TEST_CONTAINER_IMAGE_ARM64'];

/** The one for arm64, which QEMU runs, is not among them where run.sh was told to leave it out. */
export const IMAGES: readonly TestImage[] = [
  AMD64,
  ...(arm64 === undefined
    ? []
    : [{ architecture: 'arm64', name: arm64, root: required('XE_TEST_CONTAINER_ROOT_ARM64') } as const]),
];

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
  image: TestImage,
  options: readonly string[],
  args: readonly string[],
): { status: number | null; stdout: string } {
  const [command = '', ...rest] = [...program(image, ...options), ...args];
  const { status, stdout, stderr } = spawnSync(command, rest, { encoding: 'utf8' });
  if (status === null || status >= 125) throw new Error(`podman cannot run the image: ${stderr}`);
  return { status, stdout };
}

/** What a container has said, on both streams. */
export function logs(name: string): string {
  const { stdout, stderr } = spawnSync('podman', ['logs', name], { encoding: 'utf8' });
  return stdout + stderr;
}

/** As {@link ExporterProcess} starts it: podman passes signals on, and the exit code. */
export function program(image: TestImage, ...options: readonly string[]): readonly string[] {
  return ['podman', 'run', '--rm', `--platform=linux/${image.architecture}`, ...options, image.name];
}
