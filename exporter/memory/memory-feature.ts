import { constants } from 'node:os';
import { errnoName } from '../wire/errno.js';
import type { RegionMemory } from '../host/memory.js';
import type { NativeFailure } from '../native/binding.js';
import type { FeatureReport } from '../features.js';

type Report = Omit<FeatureReport, 'feature'>;

const { EACCES, EPERM, ENOENT } = constants.errno;

const ACTIVE: Report = { state: 'active', reason: '', fix: '' };
const MOUNT = "Mount the node's debugfs read-only at --path-debugfs, or give the exporter the render nodes.";

/** What to do when clients cannot be read. */
export const READ_CLIENTS = 'Run with hostPID and CAP_SYS_PTRACE.';

/** What one device answered when its memory was read. */
export interface MemoryAnswers {
  /** A read was given up and has not returned. */
  readonly hung: boolean;
  /** Empty when they were never read. */
  readonly regions: readonly RegionMemory[];
  /** Why the last read of the regions failed; undefined when it succeeded. */
  readonly regionsRefusal: NativeFailure | undefined;
  /** Why the last client that is still there could not be read. */
  readonly clientRefusal: NativeFailure | undefined;
}

/** The state of the memory feature, from what all devices answered. Pure. */
export function memoryFeature(memories: readonly MemoryAnswers[], clientsWanted: boolean): Report {
  return memoryTroubles(memories, clientsWanted)[0] ?? ACTIVE;
}

/** Everything that is wrong, most important first. Pure. */
export function memoryTroubles(memories: readonly MemoryAnswers[], clientsWanted: boolean): readonly Report[] {
  const clients = clientsWanted ? clientsTrouble(memories) : undefined;
  return [hangTrouble(memories), regionsTrouble(memories), clients, sizesOnly(memories)].filter(
    (trouble) => trouble !== undefined,
  );
}

function hangTrouble(memories: readonly MemoryAnswers[]): Report | undefined {
  return memories.some(({ hung }) => hung)
    ? { ...ACTIVE, reason: 'a device does not answer', fix: 'Look for xe errors in the kernel log.' }
    : undefined;
}

function regionsTrouble(memories: readonly MemoryAnswers[]): Report | undefined {
  // A sleeping device refuses nothing: it was not read.
  const refusals = memories.map(({ regionsRefusal }) =>
    regionsRefusal?.operation === 'asleep' ? undefined : regionsRefusal,
  );
  const [refusal] = refusals;
  return refusal !== undefined && !refusals.includes(undefined) ? refused(refusal) : undefined;
}

function clientsTrouble(memories: readonly MemoryAnswers[]): Report | undefined {
  const denied = memories.find(({ clientRefusal }) => clientRefusal)?.clientRefusal;
  return (
    denied && {
      state: 'denied',
      reason: `clients cannot be read: ${explain(denied)}`,
      fix: READ_CLIENTS,
    }
  );
}

function sizesOnly(memories: readonly MemoryAnswers[]): Report | undefined {
  const regions = memories.flatMap((memory) => memory.regions);
  return regions.length > 0 && regions.every(({ usedBytes }) => usedBytes === undefined)
    ? { ...ACTIVE, reason: 'this kernel reports sizes only', fix: `${MOUNT} CAP_PERFMON also helps.` }
    : undefined;
}

function refused(refusal: NativeFailure): Report {
  const denied = [EACCES, EPERM, ENOENT].includes(refusal.errno);
  return {
    state: denied ? 'denied' : 'unsupported',
    reason: `memory regions cannot be read: ${explain(refusal)}`,
    fix: denied ? MOUNT : `This kernel's driver does not report it. ${MOUNT}`,
  };
}

function explain({ operation, errno }: NativeFailure): string {
  return `${operation} ended with ${errnoName(errno)}`;
}
