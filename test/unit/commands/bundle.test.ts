import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONTENTS } from '../../../exporter/commands/bundle/contents.js';
import { withoutNames, withoutSecrets } from '../../../exporter/commands/bundle/redaction.js';
import { tarGz } from '../../../exporter/commands/bundle/tar.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { waitFor } from '../../helpers/wait-for.js';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command and unpacks what it wrote, with the real tar. */
async function bundle(t: TestContext, port: string, ...args: string[]) {
  const tree = new FixtureTree(t);
  const path = join(tree.root, 'out.tar.gz');
  const ended = await new Promise<Ended>((resolve) => {
    const words = [
      MAIN,
      'bundle',
      `--listen-address=127.0.0.1:${port}`,
      `--output=${path}`,
      '--path-sysfs=/nowhere',
      ...args,
    ];
    const env = { ...process.env, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer topsecret123' };
    execFile(process.execPath, words, { env, timeout: 120_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
  assert.equal(ended.code, 0, ended.stderr);
  execFileSync('tar', ['-xzf', path, '-C', tree.root, '--strip-components=1']);
  const text = (name: string): string => readFileSync(join(tree.root, name), 'utf8');
  return { ...ended, path, text, all: CONTENTS.map(({ name }) => text(name)).join('') };
}

describe('xe-exporter bundle', () => {
  it('packs everything of a running exporter, and says what it does meanwhile', async (t) => {
    const exporter = await ExporterProcess.demo({ args: ['--demo-rate=100'] });
    t.after(() => exporter.stop('SIGKILL'));
    const errors = 'xe_vm_rebind_errors_total{pci_bdf="0000:03:00.0",errno="ENOMEM"}';
    await waitFor(async () => ((await exporter.metric(errors)) ?? 0) > 0, { what: 'an error' });
    const { port } = new URL(exporter.url);
    const { stdout, stderr, path, text, all } = await bundle(t, port);
    assert.equal(stdout, `${path}\n`);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(stderr.match(/^\[\d\/7\] /gm)?.length, CONTENTS.length);
    assert.match(text('metrics.txt'), /^xe_vm_rebind_errors_total\{.*k8s|^xe_vm_rebind_errors_total\{/m);
    assert.match(text('events.json'), /xe\.vm\.rebind_error/);
    assert.equal((JSON.parse(text('devices.json')) as { devices: unknown[] }).devices.length, 2);
    assert.equal((JSON.parse(text('doctor.json')) as { schema: number }).schema, 1);
    assert.ok(text('configuration.json').includes('OTEL_EXPORTER_OTLP_HEADERS'));
    assert.ok(!all.includes('topsecret123'));
    const pods = new Set([...text('metrics.txt').matchAll(/k8s_pod_name="([a-z][^"]+)"/g)].map(([, pod]) => pod!));
    assert.ok(pods.size > 1);

    const hidden = await bundle(t, port, '--redact');
    for (const name of pods) assert.ok(!hidden.all.includes(name), name);
    const aliases = new Set([...hidden.all.matchAll(/k8s_pod_name="(pod-\d+)"/g)].map(([, pod]) => pod!));
    assert.ok(aliases.size > 1);
    assert.ok(
      [...aliases].some((alias) => hidden.text('events.json').includes(`"${alias}"`)),
      'the same in all files',
    );
    assert.match(hidden.text('metrics.txt'), /0000:03:00\.0/);
  });

  it('does without a running exporter, and says what is missing and why', async (t) => {
    const { text } = await bundle(t, '1');
    assert.match(
      text('metrics.txt'),
      /^Not available: no exporter answers \/metrics on 127\.0\.0\.1:1: ECONNREFUSED$/m,
    );
    assert.match(text('doctor.json'), /"schema": 1/);
  });

  it('says how to add what an exporter behind TLS or a password does not tell it', async (t) => {
    for (const [text, said] of [
      [
        'users',
        /^Not available: the exporter asks for a password\. Add what "curl -u USER http:\/\/127\.0\.0\.1:\d+\/metrics" prints/,
      ],
      [
        'tls',
        /^Not available: .*: ECONNRESET\. If the exporter serves TLS, add what "curl --cacert CA https:\/\/NODE:\d+\/metrics" prints/,
      ],
    ] as const) {
      const exporter = await ExporterProcess.demo({
        args: [`--web-config-file=test/fixtures/web-config/${text}.good.yml`],
      });
      t.after(() => exporter.stop('SIGKILL'));
      const packed = await bundle(t, new URL(exporter.url).port);
      assert.match(packed.text('metrics.txt'), said);
      assert.match(packed.text('devices.json'), /^Not available/);
      assert.match(packed.text('doctor.json'), /"schema": 1/);
    }
  });

  it('replaces no file, and says so', async (t) => {
    const tree = new FixtureTree(t);
    const path = join(tree.root, 'there');
    writeFileSync(path, 'mine');
    const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) =>
      execFile(
        process.execPath,
        [MAIN, 'bundle', '--listen-address=127.0.0.1:1', `--output=${path}`, '--path-sysfs=/nowhere'],
        (error, _stdout, said) => resolve({ code: error?.code, stderr: said }),
      ),
    );
    assert.equal(code, 1);
    assert.match(stderr, /XEE_BUNDLE_NOT_WRITTEN/);
    assert.equal(readFileSync(path, 'utf8'), 'mine');
  });
});

describe('what is never in a bundle', () => {
  it('is a secret, in whatever form', () => {
    for (const text of [
      'authorization: Bearer s3cret.value',
      '"Authorization": "Basic s3cret.value"',
      'OTEL_EXPORTER_OTLP_HEADERS=api-key=s3cret.value',
      'http://user:s3cret.value@collector:4318/',
      'password: s3cret.value',
      '"client_secret": "s3cret.value"',
      '-----BEGIN EC PRIVATE KEY-----\ns3cret.value\n-----END EC PRIVATE KEY-----',
      'said Bearer s3cret.value-and-more',
    ]) {
      assert.ok(!withoutSecrets(text).includes('s3cret'), withoutSecrets(text));
    }
    const harmless = 'xe 0000:03:00.0: [drm] Tile0: GT0: Engine reset: guc_id=7, tokens 5';
    assert.equal(withoutSecrets(harmless), harmless);
  });

  it('is a name, when names are to be replaced: the same by the same word, and only whole ones', () => {
    const metrics =
      'a{k8s_pod_name="train",k8s_namespace_name="ml"} 1\na{k8s_pod_name="train-0"} 2\na{k8s_pod_name="_other"} 3\n';
    const events = '{"body": "Container main of pod ml/train-0 on gpu-7 lost", "process.executable.name": "py(thon"}';
    const [first, second, third] = withoutNames([metrics, events, 'training in py(thon, mlx, gpu-71'], ['gpu-7']);
    assert.equal(
      first,
      'a{k8s_pod_name="pod-1",k8s_namespace_name="namespace-1"} 1\na{k8s_pod_name="pod-2"} 2\na{k8s_pod_name="_other"} 3\n',
    );
    assert.match(second!, /of pod namespace-1\/pod-2 on host-1 lost", "process\.executable\.name": "process-1"/);
    assert.equal(third, 'training in process-1, mlx, gpu-71');
    assert.deepEqual(withoutNames(['x'], []), ['x']);
  });
});

it('an archive holds any text', (t) => {
  const tree = new FixtureTree(t);
  const files = [0, 1, 511, 512, 513, 100_000].map((size) => ({ name: `${size}.txt`, text: 'ä'.repeat(size) }));
  writeFileSync(join(tree.root, 'a.tgz'), tarGz('folder', files, new Date(0)));
  execFileSync('tar', ['-xzf', join(tree.root, 'a.tgz'), '-C', tree.root]);
  for (const { name, text } of files) assert.equal(readFileSync(join(tree.root, 'folder', name), 'utf8'), text);
  assert.ok(existsSync(join(tree.root, 'folder')));
});
