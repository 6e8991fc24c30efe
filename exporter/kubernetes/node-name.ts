import { hostname } from 'node:os';
import type { Environment } from '../config/load.js';

/** The name of this node in Kubernetes: as configured; the downward API's NODE_NAME, then the host name, when it is not. */
export function nodeNameOf(configured: string | undefined, env: Environment): string {
  return configured ?? (env['NODE_NAME'] || hostname().toLowerCase());
}
