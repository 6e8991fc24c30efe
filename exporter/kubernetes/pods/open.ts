import { accessSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../config/load.js';
import type { FeatureBoard } from '../../features.js';
import { findApiAccess, type ApiAccess } from '../api/access.js';
import { nodeNameOf } from '../node-name.js';
import type { PodDirectory } from './pod-directory.js';

export interface PodDirectoryChoice {
  readonly mode: 'auto' | 'api' | 'node' | 'off';
  /** As configured, see {@link nodeNameOf}. */
  readonly nodeName: string | undefined;
  readonly env: Environment;
  readonly features: FeatureBoard;
  readonly logRoot?: string;
  readonly serviceAccountRoot?: string;
}

/**
 * Chooses where pod names come from and reports it as a feature state. Loads only what is used, and starts nothing yet.
 * @returns undefined when names are not wanted or there is no source for them
 */
export async function openPodDirectory(choice: PodDirectoryChoice): Promise<PodDirectory | undefined> {
  const { mode, env, features, logRoot = '/var/log', serviceAccountRoot } = choice;
  if (mode === 'off') {
    features.report('kubernetes', 'disabled', 'switched off');
    return undefined;
  }
  const access = mode === 'node' ? undefined : await findApiAccess(env, serviceAccountRoot);
  const logs = mode === 'node' || (mode === 'auto' && exists(join(logRoot, 'pods')));
  if (access !== undefined) {
    const api = await apiDirectory(choice, access);
    if (!logs) return api;
    // Service accounts are mounted by default, but the right to list pods is not granted by default: fall back to the
    // log folders.
    const { FirstOf } = await import('./first-of.js');
    return new FirstOf(api, await logDirectory(logRoot, undefined));
  }
  if (logs) return logDirectory(logRoot, features);
  if (mode === 'api') {
    const fix = 'Run in a pod with a service account token mounted, or set KUBECONFIG.';
    features.report('kubernetes', 'unsupported', 'there is neither a service account nor KUBECONFIG', fix);
  } else {
    features.report('kubernetes', 'disabled', 'this does not look like a Kubernetes node');
  }
  return undefined;
}

async function apiDirectory(
  { env, features, ...choice }: PodDirectoryChoice,
  access: ApiAccess,
): Promise<PodDirectory> {
  const { ApiPodDirectory } = await import('./api-pod-directory.js');
  return new ApiPodDirectory({ access, nodeName: nodeNameOf(choice.nodeName, env), features });
}

async function logDirectory(root: string, features: FeatureBoard | undefined): Promise<PodDirectory> {
  const { LogDirPodDirectory } = await import('./log-dir-pod-directory.js');
  return new LogDirPodDirectory({ root, ...(features && { features }) });
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}
