import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The image that is attacked in place of the built program, as `npm run test:attack -- image` says; undefined otherwise. */
export const IMAGE = process.env['XE_EXPORTER_ATTACK_IMAGE'];

/** What the exporter reads from its environment: podman passes on what is set and named here. */
const VARIABLES = ['OTEL_*', 'KUBECONFIG', 'NODE_NAME', 'XE_EXPORTER_*'];

/** A container under the chart's limit of memory and with the chart's privileges, without those that only a GPU needs. */
export class Container {
  readonly #pidFile = join(mkdtempSync(join(tmpdir(), 'xe-exporter-container-')), 'pid');
  /** Starts it, and ends with its exit code. Arguments of the exporter follow. */
  readonly program: readonly string[];

  /** @param mebibytes of memory: whatever goes beyond it is killed @param options more options of podman */
  constructor(image: string, mebibytes: number, options: readonly string[] = []) {
    // The tests' files are where they are, for a user who may read them.
    const files = [`--volume=${tmpdir()}:${tmpdir()}`, `--volume=${process.cwd()}:${process.cwd()}:ro`];
    this.program = [
      'podman',
      'run',
      '--rm',
      '--network=host',
      '--pid=host',
      '--user=0',
      '--read-only',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
      `--memory=${mebibytes}m`,
      `--memory-swap=${mebibytes}m`,
      `--workdir=${process.cwd()}`,
      `--pidfile=${this.#pidFile}`,
      ...files,
      ...VARIABLES.map((name) => `--env=${name}`),
      ...options,
      image,
    ];
  }

  /** Of the process in it, as this process sees it; undefined before it runs. */
  get pid(): number | undefined {
    return existsSync(this.#pidFile) ? Number(readFileSync(this.#pidFile, 'utf8')) : undefined;
  }
}
