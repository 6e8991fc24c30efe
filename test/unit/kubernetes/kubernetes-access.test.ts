import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { stringify } from 'yaml';
import { findApiAccess } from '../../../exporter/kubernetes/api/access.js';
import { ApiPodDirectory } from '../../../exporter/kubernetes/pods/api-pod-directory.js';
import { FirstOf } from '../../../exporter/kubernetes/pods/first-of.js';
import { LogDirPodDirectory } from '../../../exporter/kubernetes/pods/log-dir-pod-directory.js';
import { openPodDirectory, type PodDirectoryChoice } from '../../../exporter/kubernetes/pods/open.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { KubeApi, NODE } from '../../helpers/kube-api.js';
import { waitFor } from '../../helpers/wait-for.js';

const UID = '0a1b2c3d-1111-4222-8333-444455556666';
const ID = 'a'.repeat(64);
const QUERY = { podUid: UID, containerId: ID };
const POD = { uid: UID, name: 'train-0', containers: [{ name: 'main', id: ID }] };

/** A certificate for 127.0.0.1 in `name.crt` and its key in `name.key`; false where there is no openssl. */
function certify(tree: FixtureTree, name: string): boolean {
  const paths = ['-keyout', join(tree.root, `${name}.key`), '-out', join(tree.root, `${name}.crt`)];
  const subject = ['-subj', '/CN=stub', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  try {
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, ...paths], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function secured(t: TestContext, tree: FixtureTree): Promise<KubeApi | undefined> {
  if (!certify(tree, 'server')) {
    t.skip('no openssl');
    return undefined;
  }
  const read = (name: string): string => readFileSync(join(tree.root, name), 'utf8');
  const api = await KubeApi.open(t, { tls: { key: read('server.key'), cert: read('server.crt') } });
  api.put(POD);
  return api;
}

function choose(choice: Partial<PodDirectoryChoice>, features = new FeatureBoard()) {
  return openPodDirectory({ mode: 'api', nodeName: NODE, env: {}, features, logRoot: '/none', ...choice });
}

/** The choice, started. */
async function directory(t: TestContext, choice: Partial<PodDirectoryChoice>, features = new FeatureBoard()) {
  const pods = await choose(choice, features);
  t.after(() => pods?.stop());
  await pods?.start();
  return pods;
}

function serviceAccount(
  tree: FixtureTree,
  token: string,
  ca = readFileSync(join(tree.root, 'server.crt'), 'utf8'),
): void {
  tree.file('sa/token', `${token}\n`);
  tree.file('sa/ca.crt', ca);
}

describe('in a pod', () => {
  it('the service account speaks, with the token it has at that moment', async (t) => {
    const tree = new FixtureTree(t);
    const api = await secured(t, tree);
    if (api === undefined) return;
    api.token = 'first';
    serviceAccount(tree, 'first');
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) };
    const pods = await directory(t, { env, serviceAccountRoot: join(tree.root, 'sa') });
    assert.equal(pods?.lookup(QUERY)?.pod, 'train-0');
    await waitFor(() => api.watchers, { what: 'the watch' });
    api.token = 'second';
    serviceAccount(tree, 'second');
    const count = api.watches().length;
    api.endWatches();
    await waitFor(() => api.watches().length > count && api.watchers, { what: 'the watch with the new token' });
    assert.equal(api.watches().at(-1)?.authorization, 'Bearer second');
  });

  it('a server that another authority certifies is not spoken to', async (t) => {
    const tree = new FixtureTree(t);
    const api = await secured(t, tree);
    if (api === undefined) return;
    certify(tree, 'other');
    serviceAccount(tree, 'secret', readFileSync(join(tree.root, 'other.crt'), 'utf8'));
    const features = new FeatureBoard();
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) };
    await directory(t, { env, serviceAccountRoot: join(tree.root, 'sa') }, features);
    assert.equal(features.all()[0]?.state, 'unsupported');
    assert.match(features.all()[0]?.reason ?? '', /SELF_SIGNED|SIGNATURE/);
    assert.equal(api.requests.length, 0);
  });

  it('an IPv6 address of the server is one', async (t) => {
    const tree = new FixtureTree(t);
    serviceAccount(tree, 't', '');
    const access = await findApiAccess({ KUBERNETES_SERVICE_HOST: 'fd00::1' }, join(tree.root, 'sa'));
    assert.equal((await access?.target())?.server.href, 'https://[fd00::1]/');
  });
});

describe('KUBECONFIG', () => {
  const config = (server: string, cluster: object, user: object): string =>
    stringify({
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server, ...cluster } }],
      users: [{ name: 'u', user }],
    });
  const target = async (tree: FixtureTree, ...files: string[]) => {
    files.forEach((content, n) => tree.file(`config-${n}`, content));
    const paths = files.map((_, n) => join(tree.root, `config-${n}`)).join(':');
    return (await findApiAccess({ KUBECONFIG: paths }))!.target();
  };

  it('gives certificates and token, inline or from files beside it', async (t) => {
    const tree = new FixtureTree(t);
    const api = await secured(t, tree);
    if (api === undefined) return;
    api.token = 'from-file';
    tree.file('token', 'from-file\n');
    const file = config(api.url, { 'certificate-authority': 'server.crt' }, { tokenFile: 'token' });
    tree.file('config', file);
    const pods = await directory(t, { env: { KUBECONFIG: join(tree.root, 'config') } });
    assert.equal(pods?.lookup(QUERY)?.container, 'main');

    const inline = await target(
      tree,
      config(
        'https://x:6443/prefix',
        { 'certificate-authority-data': 'Q0E=', 'tls-server-name': 'y', 'insecure-skip-tls-verify': true },
        { 'client-certificate-data': 'Q0VSVA==', 'client-key-data': 'S0VZ', username: 'a', password: 'b' },
      ),
    );
    assert.equal(inline.server.href, 'https://x:6443/prefix');
    assert.deepEqual(inline.headers, { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` });
    const [ca, cert, key] = ['CA', 'CERT', 'KEY'].map((text) => Buffer.from(text));
    assert.deepEqual(inline.tls, { ca, cert, key, servername: 'y', rejectUnauthorized: false });
  });

  it('with http proves nothing in the clear', async (t) => {
    const { headers } = await target(new FixtureTree(t), config('http://127.0.0.1:8001', {}, { token: 'secret' }));
    assert.deepEqual(headers, {});
  });

  it('of several files takes the first of each name', async (t) => {
    const first = config('https://first', {}, { token: '1' });
    const { server, headers } = await target(new FixtureTree(t), first, config('https://second', {}, { token: '2' }));
    assert.deepEqual([server.hostname, headers['authorization']], ['first', 'Bearer 1']);
  });

  it('that cannot be used says why, and no secret', async (t) => {
    const cases: readonly [string, RegExp][] = [
      ['{', /no YAML/],
      ['token: @hunter2', /no YAML/],
      ['', /no current context/],
      ['hunter2', /no current context/],
      ['clusters: hunter2', /no current context/],
      [config('', {}, {}), /no server/],
      [config('ftp://hunter2', {}, {}), /no server/],
      [config('https://x', {}, { exec: { command: 'hunter2' } }), /kubectl proxy/],
      [config('https://x', { 'certificate-authority': '/none' }, {}), /ENOENT/],
    ];
    for (const [content, expected] of cases) {
      const error: unknown = await target(new FixtureTree(t), content).catch((reason: unknown) => reason);
      assert.match(String(error), expected);
      assert.doesNotMatch(String(error), /hunter2/);
    }
  });
});

describe('the choice', () => {
  const tree = (t: TestContext): FixtureTree => {
    const made = new FixtureTree(t);
    made.directory(`log/pods/default_train-0_${UID}/main`);
    return made;
  };
  const env = { KUBECONFIG: '/none', NODE_NAME: NODE };

  it('auto takes both when both are there, the API first', async (t) => {
    const root = tree(t);
    const pods = await directory(t, { mode: 'auto', env, logRoot: join(root.root, 'log') });
    assert.ok(pods instanceof FirstOf);
    await waitFor(() => pods.lookup(QUERY)?.container === 'main', { what: 'the name from the logs' });
  });

  it('auto takes what is there', async (t) => {
    assert.ok((await choose({ mode: 'auto', env })) instanceof ApiPodDirectory);
    const logRoot = join(tree(t).root, 'log');
    assert.ok((await choose({ mode: 'auto', logRoot })) instanceof LogDirPodDirectory);
    const features = new FeatureBoard();
    assert.equal(await choose({ mode: 'auto' }, features), undefined);
    assert.equal(features.all()[0]?.state, 'disabled');
  });

  it('api and node take that and nothing else', async (t) => {
    const logRoot = join(tree(t).root, 'log');
    assert.ok((await choose({ mode: 'api', env, logRoot })) instanceof ApiPodDirectory);
    assert.ok((await choose({ mode: 'node', env, logRoot })) instanceof LogDirPodDirectory);
    const features = new FeatureBoard();
    assert.equal(await choose({ mode: 'api', logRoot }, features), undefined);
    assert.equal(features.all()[0]?.state, 'unsupported');
  });

  it('off is off', async () => {
    const features = new FeatureBoard();
    assert.equal(await choose({ mode: 'off', env }, features), undefined);
    assert.deepEqual(features.all()[0], { feature: 'kubernetes', state: 'disabled', reason: 'switched off', fix: '' });
  });

  it('asks for the node by NODE_NAME when no name is configured', async (t) => {
    const api = await KubeApi.open(t);
    api.put(POD);
    const root = new FixtureTree(t);
    const cluster = { clusters: [{ name: 'c', cluster: { server: api.url } }] };
    const context = { contexts: [{ name: 'x', context: { cluster: 'c' } }], 'current-context': 'x' };
    root.file('config', stringify({ ...cluster, ...context }));
    const KUBECONFIG = join(root.root, 'config');
    await directory(t, { nodeName: undefined, env: { KUBECONFIG, NODE_NAME: 'from-env' } });
    await directory(t, { nodeName: 'configured', env: { KUBECONFIG, NODE_NAME: 'from-env' } });
    assert.deepEqual(
      api.lists().map(({ query }) => query['fieldSelector']),
      ['spec.nodeName=from-env', 'spec.nodeName=configured'],
    );
  });
});
