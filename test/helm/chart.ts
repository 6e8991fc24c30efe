import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse as parseYaml, parseAllDocuments, stringify } from 'yaml';
import { loadConfig } from '../../exporter/config/load.js';

export const CHART = 'helm/xe-exporter';
export const NAMESPACE = 'gpu';

/** Both major versions, as test/helm/tools.sh brings them. */
export const HELMS = { 'Helm 3': tool('HELM_3'), 'Helm 4': tool('HELM_4') } as const;
export type HelmName = keyof typeof HELMS;

/** Path of a tool. @throws when the test was not started by test/helm/run.sh */
export function tool(name: string): string {
  const variable = `XE_EXPORTER_TEST_${name}`;
  const path = process.env[variable];
  if (path === undefined) throw new Error(`${variable} is not set: run npm run test:helm`);
  return path;
}

/** A rendered object, loosely: the API types check it in manifests.test.ts. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Manifest = any;

export interface RenderOptions {
  readonly helm?: HelmName;
  readonly chart?: string;
  readonly release?: string;
  readonly args?: readonly string[];
}

/** `helm template` with values. @throws with what helm said when it refuses */
export function template(values: object | string, options: RenderOptions = {}): string {
  const { status, stdout, stderr } = run('template', values, options);
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** The rendered objects. */
export function render(values: object | string, options: RenderOptions = {}): Manifest[] {
  return parse(template(values, options));
}

export function parse(rendered: string): Manifest[] {
  return parseAllDocuments(rendered)
    .map((document) => {
      if (document.errors[0] !== undefined) throw document.errors[0];
      return document.toJS() as Manifest;
    })
    .filter((object) => object !== null);
}

/** What helm says to values it refuses; throws when it takes them. */
export function refusal(values: object | string, options: RenderOptions = {}): string {
  const { status, stderr } = run('template', values, options);
  if (status === 0) throw new Error('helm took the values');
  return stderr;
}

/** `helm lint --strict`. */
export function lint(values: object | string, options: RenderOptions = {}): { status: number | null; said: string } {
  const { status, stdout, stderr } = run('lint', values, options);
  return { status, said: stdout + stderr };
}

/** The one object of a kind. */
export function only(manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`);
  return found[0];
}

/** The pod of the DaemonSet. */
export function podOf(manifests: readonly Manifest[]): Manifest {
  return only(manifests, 'DaemonSet').spec.template.spec;
}

/** The exporter's container. */
export function containerOf(manifests: readonly Manifest[]): Manifest {
  return podOf(manifests).containers[0];
}

/** Folders of the node that the pod mounts. */
export function hostPaths(pod: Manifest): string[] {
  return pod.volumes.filter((volume: Manifest) => volume.hostPath).map((volume: Manifest) => volume.hostPath.path);
}

/** What the exporter makes of the ConfigMap. */
export function configOf(manifests: readonly Manifest[]) {
  const text: string = only(
    manifests.filter(({ metadata }) => metadata.name === 'xe-exporter'),
    'ConfigMap',
  ).data['config.yaml'];
  assert.ok(parseYaml(text));
  const values = new Map([['configFile', ['config.yaml']]]);
  return loadConfig('serve', { values, problems: [] } as never, {}, () => text);
}

/** Paths of ci/*-values.yaml by name. */
export function ciValues(): Map<string, string> {
  const suffix = '-values.yaml';
  const names = readdirSync(join(CHART, 'ci')).filter((name) => name.endsWith(suffix));
  return new Map(names.map((name) => [name.slice(0, -suffix.length), join(CHART, 'ci', name)]));
}

function run(command: 'template' | 'lint', values: object | string, options: RenderOptions) {
  const { helm = 'Helm 4', chart = CHART, release = 'xe-exporter', args = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-chart-'));
  try {
    const file = typeof values === 'string' ? values : join(folder, 'values.yaml');
    if (typeof values !== 'string') writeFileSync(file, stringify(values));
    const named = command === 'template' ? [release, chart] : ['--strict', chart];
    const common = ['--namespace', NAMESPACE, '--kube-version', '1.35.0', '--values', file];
    return spawnSync(HELMS[helm], [command, ...named, ...common, ...args], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
