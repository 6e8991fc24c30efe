import { accessSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import type { Environment } from '../../config/load.js';
import type { FeatureReport } from '../../features.js';

/** The address of the API server and the credentials for one request. */
export interface ApiTarget {
  readonly server: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ConnectionOptions;
}

/** A way to the API server. */
export interface ApiAccess {
  /** What messages call it. */
  readonly origin: string;
  /**
   * Called before each request: tokens and certificates are replaced while the program runs.
   * @throws Error that says what is missing; never with a secret in it
   */
  target(): Promise<ApiTarget>;
}

/** The feature state after a 401. */
export function notAccepted({ origin }: ApiAccess): Pick<FeatureReport, 'state' | 'reason' | 'fix'> {
  const fix =
    'The token or certificate is not, or no longer, valid: check the service account of the pod, or KUBECONFIG.';
  return { state: 'denied', reason: `the API server does not accept ${origin} (401)`, fix };
}

/** Where the kubelet mounts the service account of a pod. */
export const SERVICE_ACCOUNT_ROOT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** KUBECONFIG when it is set, else the service account of the pod this runs in; undefined when there is neither. */
export async function findApiAccess(
  env: Environment,
  serviceAccountRoot = SERVICE_ACCOUNT_ROOT,
): Promise<ApiAccess | undefined> {
  const kubeconfig = env['KUBECONFIG'] ?? '';
  if (kubeconfig !== '') {
    // Loaded here because it brings the YAML parser, which a pod does not need.
    const { KubeconfigAccess } = await import('./kubeconfig.js');
    return new KubeconfigAccess(kubeconfig);
  }
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  if (host === '' || !isReadable(join(serviceAccountRoot, 'token'))) return undefined;
  return inClusterAccess(host, env['KUBERNETES_SERVICE_PORT'] ?? '443', serviceAccountRoot);
}

function inClusterAccess(host: string, port: string, root: string): ApiAccess {
  return {
    origin: 'the service account',
    async target() {
      const [token, ca] = await Promise.all([readFile(join(root, 'token'), 'utf8'), readFile(join(root, 'ca.crt'))]);
      return {
        server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
        headers: { authorization: `Bearer ${token.trim()}` },
        tls: { ca },
      };
    },
  };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}
