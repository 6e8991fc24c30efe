import { setTimeout as sleep } from 'node:timers/promises';
import type { OwnProcess } from './own-process.js';
import type { ProcessTree } from './process-tree.js';

/** How often the tree is looked at while it is being stopped; at no other time. */
const LOOK_MS = 20;

/**
 * Ends every process of the job: SIGTERM, and SIGKILL for what is left after `killAfterMs`. By descent and not by process group,
 * which is ours as well, and which a process can leave.
 */
export async function stopJob(own: OwnProcess, tree: ProcessTree, killAfterMs: number): Promise<void> {
  const deadline = performance.now() + killAfterMs;
  for (const pid of tree.below(own.pid)) {
    own.kill(pid, 'SIGTERM');
    // A stopped process takes SIGTERM only once it goes on.
    own.kill(pid, 'SIGCONT');
  }
  for (let left = tree.below(own.pid); left.length > 0; left = tree.below(own.pid)) {
    if (performance.now() >= deadline) for (const pid of left) own.kill(pid, 'SIGKILL');
    await sleep(LOOK_MS);
  }
}
