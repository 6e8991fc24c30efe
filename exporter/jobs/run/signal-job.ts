import type { OwnProcess } from './own-process.js';
import type { ProcessTree } from './process-tree.js';

/**
 * Sends a signal to the process that lost its VM, or to its nearest ancestor in the job that has a handler: whoever has none would
 * die of it.
 *
 * @returns who got it; undefined when nobody did
 */
export function signalWhoCatches(
  own: OwnProcess,
  tree: ProcessTree,
  signal: NodeJS.Signals,
  victim: number,
): number | undefined {
  const line = tree.lineage(victim);
  const job = line.slice(0, Math.max(0, line.indexOf(own.pid)));
  return job.find((pid) => tree.catches(pid, signal) && own.kill(pid, signal));
}
