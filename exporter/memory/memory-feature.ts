import { constants } from 'node:os';
import { errnoName } from '../events/errno.js';
import type { RegionMemory } from '../host/memory.js';
import type { NativeFailure } from '../native/binding.js';
import type { FeatureReport } from '../telemetry/features.js';
import type { DeviceMemory } from './device-memory.js';

type Report = Omit<FeatureReport, 'feature'>;

const { EACCES, EPERM, ENOENT } = constants.errno;

const ACTIVE: Report = { state: 'active', reason: '', fix: '' };
const MOUNT = "Mount the node's debugfs read-only at --path-debugfs, or give the exporter the render nodes.";

/** What the devices of a node say of reading memory. Pure. */
export function memoryFeature(memories: readonly DeviceMemory[], clientsWanted: boolean): Report {
  if (memories.some(({ hung }) => hung)) {
    return { ...ACTIVE, reason: 'a device does not answer', fix: 'Look for xe errors in the kernel log.' };
  }
  // A sleeping device refuses nothing: it was not asked.
  const refusals = memories.map(({ regionsRefusal }) =>
    regionsRefusal?.operation === 'asleep' ? undefined : regionsRefusal,
  );
  const [refusal] = refusals;
  if (refusal !== undefined && !refusals.includes(undefined)) return refused(refusal);
  const denied = clientsWanted ? memories.find(({ clientRefusal }) => clientRefusal)?.clientRefusal : undefined;
  if (denied !== undefined) {
    return {
      state: 'denied',
      reason: `clients cannot be read: ${explain(denied)}`,
      fix: 'Run with hostPID and CAP_SYS_PTRACE.',
    };
  }
  const regions = memories.flatMap((memory) => (memory.get('regions')?.value ?? []) as readonly RegionMemory[]);
  if (regions.length > 0 && regions.every(({ usedBytes }) => usedBytes === undefined)) {
    return { ...ACTIVE, reason: 'this kernel tells sizes only', fix: `${MOUNT} CAP_PERFMON helps, too.` };
  }
  return ACTIVE;
}

function refused(refusal: NativeFailure): Report {
  const denied = [EACCES, EPERM, ENOENT].includes(refusal.errno);
  return {
    state: denied ? 'denied' : 'unsupported',
    reason: `memory regions cannot be read: ${explain(refusal)}`,
    fix: denied ? MOUNT : `This kernel's driver does not tell. ${MOUNT}`,
  };
}

function explain({ operation, errno }: NativeFailure): string {
  return `${operation} ended with ${errnoName(errno)}`;
}
