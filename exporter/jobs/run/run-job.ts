import type { Config } from '../../config/schema.js';
import type { NativeAddon } from '../../native/binding.js';
import { loadNative } from '../../native/load.js';
import type { Ending, Job } from './job.js';
import type { Say } from './messages.js';
import type { OwnProcess } from './own-process.js';
import { ProcessTree } from './process-tree.js';
import type { SignalRelay } from './signals.js';
import { Supervisor } from './supervisor.js';
import type { Ears, OnVmError } from './vm-error.js';

export interface RunOptions {
  readonly config: Config;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly own: OwnProcess;
  readonly relay: SignalRelay;
  readonly say: Say;
}

/**
 * Stays with a job that has been started until it ends, also after a restart. Who hears of its errors is found out beside it.
 *
 * @throws CodedError when the job cannot be started again
 */
export async function runJob(job: Job, { config, words, env, own, relay, say }: RunOptions): Promise<Ending> {
  const tree = new ProcessTree(config.procRoot);
  let ears: Ears | undefined;
  const supervisor = new Supervisor({
    ...{ words, env, own, tree, relay, say },
    onOom: config.onOom,
    maxRestarts: config.maxRestarts,
    backoffMs: config.restartBackoff,
    killAfterMs: config.killAfter,
    ears: () => ears,
  });
  const ended = supervisor.run(job);
  const native = nativeOrNot();
  if (native) {
    native.becomeSubreaper();
    relay.onChildEnded = () => void native.reapOrphans(relay.target ?? 0);
    // Process 1 may have had some already.
    relay.onChildEnded();
  }
  void listen({ config, native, own, tree, say }, (error) => supervisor.vmError(error)).then((found) => {
    ears = found;
  });
  return ended;
}

interface Listening extends Pick<RunOptions, 'config' | 'own' | 'say'> {
  readonly native: NativeAddon | undefined;
  readonly tree: ProcessTree;
}

/** Tries who can hear of the job's errors, the best first. Says once when nobody can. */
async function listen({ config, native, own, tree, say }: Listening, onVmError: OnVmError): Promise<Ears | undefined> {
  const { procRoot, sysRoot, devRoot } = config;
  const listening = { ownPid: own.pid, tree, procRoot, sysRoot, devRoot, onVmError, say };
  const ways: string[] = [];
  if (native !== undefined && config.xeWatchIoctl !== 'off') {
    const { watchOwnJob } = await import('./own-watch.js');
    const found = await watchOwnJob({ ...listening, native, ioctl: config.xeWatchIoctl });
    if (!('cannot' in found)) return found;
    ways.push(found.cannot);
  }
  const { askNode, USUAL_SOCKET } = await import('./node-ears.js');
  const found = await askNode({ ...listening, native, socketPath: config.jobsSocket ?? USUAL_SOCKET });
  if (!('cannot' in found)) {
    if (found.caveat !== undefined) say(found.caveat);
    return found;
  }
  ways.push(found.cannot);
  say(`GPU errors of the job cannot be heard here, so it runs as it would alone: ${ways.join('; ')}`);
  return undefined;
}

/** Without the addon a job still runs; only what the addon does is missing. */
function nativeOrNot(): NativeAddon | undefined {
  try {
    return loadNative();
  } catch {
    return undefined;
  }
}
