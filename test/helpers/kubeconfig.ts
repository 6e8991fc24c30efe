import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FixtureTree } from './fixture-tree.js';
import { NODE, type KubeApi } from './kube-api.js';

/** The variables of an exporter whose kubeconfig leads to the stub; in plain HTTP no credentials are sent. */
export function kubeconfig(t: TestContext, { url: server }: KubeApi): Record<string, string> {
  const tree = new FixtureTree(t);
  const config = {
    'current-context': 'stub',
    contexts: [{ name: 'stub', context: { cluster: 'stub' } }],
    clusters: [{ name: 'stub', cluster: { server } }],
  };
  tree.file('kubeconfig', JSON.stringify(config));
  return { KUBECONFIG: join(tree.root, 'kubeconfig'), NODE_NAME: NODE, POD_NAME: 'xe-exporter-abcde' };
}
