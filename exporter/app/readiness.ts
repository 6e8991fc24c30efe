import type { Readiness } from '../http/routes/health.js';
import type { Flow } from './flow.js';

/** Whether the exporter does its work on this node: a node without a device is idle, and ready. */
export function readiness({ devices, sources }: Pick<Flow, 'devices' | 'sources'>): Readiness {
  if (devices.devices.length === 0) return { ready: true, reason: 'idle: this node has no xe device' };
  const up = sources.filter((source) => source.up).map(({ name }) => name);
  if (up.length > 0) return { ready: true, reason: `events come from ${up.join(', ')}` };
  return { ready: false, reason: 'no event source is up; see the status page or run "xe-exporter doctor"' };
}
