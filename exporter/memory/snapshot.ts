import type { XeClient } from '../clients/client.js';
import type { XeDevice } from '../host/device.js';
import type { ClientRegionMemory, EvictedFor, MemorySnapshot, RegionMemory } from '../host/memory.js';
import type { Reading } from './device-memory.js';

export interface SnapshotParts {
  readonly regions: Reading | undefined;
  readonly held: readonly { readonly client: XeClient; readonly reading: Reading }[];
  readonly everyClient: boolean;
  readonly evictedFor: readonly EvictedFor[];
  /** When it was requested; anything read since then is fresh. */
  readonly since: number;
  /** Readings from before this moment are not valid any more. */
  readonly oldest: number;
  readonly includeProcess: boolean;
}

/** Combines readings; undefined when none is worth reporting. Pure. */
export function makeSnapshot(device: XeDevice, parts: SnapshotParts): MemorySnapshot | undefined {
  const isWorth = (reading: Reading | undefined): reading is Reading =>
    reading !== undefined && reading.at >= parts.oldest;
  const regions = isWorth(parts.regions) ? parts.regions : undefined;
  const held = parts.held.filter(({ reading }) => isWorth(reading));
  const readings = [...(regions ? [regions] : []), ...held.map(({ reading }) => reading)];
  const [first, ...more] = readings;
  if (first === undefined) return undefined;
  const oldest = more.reduce((a, b) => (b.at < a.at ? b : a), first);
  return {
    device,
    realtimeNs: oldest.realtimeNs,
    ageMs: Math.max(0, Math.round(parts.since - oldest.at)),
    regions: (regions?.value ?? []) as readonly RegionMemory[],
    clients: held.map(({ client, reading }) => ({
      drmClientId: client.drmClientId,
      owner: ownerOf(client, parts.includeProcess),
      regions: reading.value as readonly ClientRegionMemory[],
    })),
    everyClient: parts.everyClient,
    evictedFor: parts.evictedFor,
  };
}

/** By owner, the most first: processes that have no client on the device, such as the driver's own workers, are left out. Pure. */
export function evictedFor(
  bytes: ReadonlyMap<number, number>,
  clients: readonly XeClient[],
  includeProcess: boolean,
): EvictedFor[] {
  const byOwner = new Map<string, number>();
  for (const [pid, more] of bytes) {
    const client = clients.find(({ process }) => process.pid === pid);
    if (client === undefined) continue;
    const owner = ownerOf(client, includeProcess);
    byOwner.set(owner, (byOwner.get(owner) ?? 0) + more);
  }
  return [...byOwner].map(([owner, bytes]) => ({ owner, bytes })).sort((a, b) => b.bytes - a.bytes);
}

/** The name a person knows a client by. */
export function ownerOf({ workload, process }: XeClient, includeProcess: boolean): string {
  if (workload?.pod) return [workload.namespace, workload.pod, workload.container].filter(Boolean).join('/');
  if (workload?.slurmJobId) return `Slurm job ${workload.slurmJobId}`;
  if (workload?.systemdUnit) return workload.systemdUnit;
  if (workload?.containerId) return `container ${workload.containerId.slice(0, 12)}`;
  return includeProcess ? `${process.executable} (pid ${process.pid})` : 'a process';
}
