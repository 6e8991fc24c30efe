import { COREDUMP_COPY_RESULTS } from '../../../names.js';
import { now } from '../../message-run.js';
import type { BatchHandler, SourceContext } from '../../source.js';
import { CoredumpCopies } from './copies.js';
import { CoredumpFolder } from './folder.js';
import { coredumpSupport } from './support.js';

const MAX_COPIES = 64;

/** The folder of `--coredump-dir`; undefined when it is not asked for. */
export function coredumpFolder(config: SourceContext['config']): CoredumpFolder | undefined {
  const { coredumpDir, coredumpMaxBytes: maxBytes } = config;
  return coredumpDir === undefined ? undefined : new CoredumpFolder(coredumpDir, { maxBytes, maxCopies: MAX_COPIES });
}

/** Why coredumps are not copied, by configuration; undefined when they are wanted. */
export function coredumpsOff({ coredumpDir, mode, uevent }: SourceContext['config']): string | undefined {
  if (coredumpDir === undefined) return 'no --coredump-dir is given';
  return mode === 'watch_queue' || uevent === 'off' ? 'uevents, which announce coredumps, are switched off' : undefined;
}

/** What copies coredumps, where that is asked for and possible; the feature `coredumps` says which. Delivers what became of each copy. */
export async function openCoredumpCopies(
  { config, native, features, onCoredumpCopies: count = () => undefined }: SourceContext,
  handler: BatchHandler,
): Promise<CoredumpCopies | undefined> {
  const folder = coredumpFolder(config);
  if (folder === undefined) return undefined;
  const { state, reason, fix } = await coredumpSupport(folder, config);
  features.report('coredumps', state, reason, fix);
  if (state !== 'active') return undefined;
  for (const result of COREDUMP_COPY_RESULTS) count(result, 0);
  return new CoredumpCopies({
    native,
    folder,
    count,
    onCopy: (device, details, errorCode) =>
      handler({ kind: 'coredump_copy', source: 'uevent', ...now(), device, details, errorCode }),
  });
}
