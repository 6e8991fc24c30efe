import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { containerOf, HELMS, parse, type HelmName } from '../helm/chart.js';
import { asset, digests, outcome, output, RELEASE } from './release.js';

const { version, registry } = RELEASE;
const { image, chart } = digests();
const scratch = mkdtempSync(join(tmpdir(), 'xe-registry-'));
after(() => rmSync(scratch, { recursive: true }));

describe('the image in the registry', () => {
  it('is one index with an image for each architecture, under its version and its digest', () => {
    const raw = (reference: string): string =>
      output('skopeo', 'inspect', '--tls-verify=false', '--raw', `docker://${reference}`);
    const index = raw(image);
    assert.equal(raw(`${registry}/xe-exporter:${version}`), index);
    assert.equal(`sha256:${createHash('sha256').update(index).digest('hex')}`, image.split('@')[1]);
    const { manifests } = JSON.parse(index) as { manifests: { platform: { os: string; architecture: string } }[] };
    assert.deepEqual(manifests.map(({ platform }) => `${platform.os}/${platform.architecture}`).sort(), [
      'linux/amd64',
      'linux/arm64',
    ]);
  });

  it('can be pulled by digest and run', () => {
    output('podman', 'pull', '--quiet', '--tls-verify=false', image);
    const run = (...args: readonly string[]): string =>
      output(
        'podman',
        'run',
        '--rm',
        '--network=host',
        '--read-only',
        '--cap-drop=ALL',
        '--security-opt=no-new-privileges',
        image,
        ...args,
      );
    assert.equal(run('--version'), `${version}\n`);
    const { checks } = JSON.parse(run('doctor', '--json')) as { checks: { check: string; seen: string }[] };
    assert.equal(checks.find(({ check }) => check === 'addon')?.seen, 'loaded');
    output('podman', 'rmi', '--force', image);
  });

  it('says where it is from', () => {
    const { Labels: labels } = JSON.parse(output('skopeo', 'inspect', '--tls-verify=false', `docker://${image}`)) as {
      Labels: Record<string, string>;
    };
    const label = (name: string): string | undefined => labels[`org.opencontainers.image.${name}`];
    assert.equal(label('source'), 'https://github.com/xe-exporter/xe-exporter');
    assert.equal(label('version'), version);
    assert.match(label('revision') ?? '', /^[0-9a-f]{40}$/);
    assert.match(label('created') ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });
});

for (const name of Object.keys(HELMS) as HelmName[]) {
  describe(`the chart in the registry, with ${name}`, () => {
    const helm = HELMS[name];
    const reference = `oci://${registry}/charts/xe-exporter`;
    const at = ['--version', version, '--plain-http'];

    it('is the file of the release, by version and by digest', () => {
      const folder = mkdtempSync(join(scratch, 'pull-'));
      output(helm, 'pull', reference, ...at, '--destination', folder);
      assert.deepEqual(
        readFileSync(join(folder, `xe-exporter-${version}.tgz`)),
        readFileSync(asset(`xe-exporter-chart-${version}.tgz`)),
      );
      assert.match(chart, new RegExp(`^${registry}/charts/xe-exporter@sha256:[0-9a-f]{64}$`));
    });

    it('installs the image of the release by its digest, in every posture', () => {
      for (const values of [
        [],
        ['posture=device-only'],
        ['sources.simulator.enabled=true'],
        ['deviceAccess.method=dra'],
        ['deviceAccess.method=plugin'],
      ]) {
        const set = values.flatMap((value) => ['--set', value]);
        const rendered = output(helm, 'template', 'xe-exporter', reference, ...at, '--kube-version', '1.36.0', ...set);
        assert.equal(containerOf(parse(rendered)).image, image);
      }
    });

    it('tells Artifact Hub about the release', () => {
      const { annotations, ...shown } = parseYaml(output(helm, 'show', 'chart', reference, ...at)) as {
        annotations: Record<string, string>;
        version: string;
        appVersion: string;
      };
      assert.deepEqual([shown.version, shown.appVersion], [version, version]);
      assert.deepEqual(parseYaml(annotations['artifacthub.io/images'] ?? ''), [
        { name: 'xe-exporter', image, platforms: ['linux/amd64', 'linux/arm64'] },
      ]);
      const changes = parseYaml(annotations['artifacthub.io/changes'] ?? '') as { kind: string; description: string }[];
      assert.ok(changes.length > 0);
      for (const { kind, description } of changes)
        assert.ok(/^(added|changed|deprecated|removed|fixed|security)$/.test(kind) && description !== '');
    });

    it('refuses a typo, with its path', () => {
      const refused = outcome(helm, 'template', 'x', reference, ...at, '--set', 'discovery.scanIntervall=1s');
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, /discovery.*additional propert.*scanIntervall/i);
    });
  });
}
