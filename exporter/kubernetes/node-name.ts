import { hostname } from 'node:os';
import type { Environment } from '../config/load.js';

/** The name of this node in Kubernetes: as configured, else NODE_NAME from the downward API, else the host name. */
export function nodeNameOf(configured: string | undefined, env: Environment): string {
  return configured ?? (env['NODE_NAME'] || hostname().toLowerCase());
}
