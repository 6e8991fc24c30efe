import type { ClientMemory, MemorySnapshot, RegionMemory } from '../../host/memory.js';
import { ATTRIBUTE, REGION_ATTRIBUTE } from '../../names.js';
import type { AttributeValue } from '../device-event.js';

const MOST_CONSUMERS = 5;

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

interface Consumer {
  readonly owner: string;
  readonly bytes: number;
}

/**
 * A snapshot as attributes: the regions of the device, what the victim has resident and, in a snapshot of every client, the clients that
 * hold most. Pure.
 *
 * @param victim the drm-client-id that the event is about
 */
export function memoryAttributes(
  snapshot: MemorySnapshot,
  victim: number | undefined,
): Readonly<Record<string, AttributeValue>> {
  const attributes: Record<string, AttributeValue> = {};
  for (const { region, usedBytes, sizeBytes } of snapshot.regions) {
    if (usedBytes !== undefined) attributes[REGION_ATTRIBUTE.used(region)] = usedBytes;
    attributes[REGION_ATTRIBUTE.size(region)] = sizeBytes;
  }
  const held = snapshot.clients.find(({ drmClientId }) => drmClientId === victim)?.regions ?? [];
  for (const { region, residentBytes } of held) attributes[REGION_ATTRIBUTE.clientResident(region)] = residentBytes;
  if (snapshot.ageMs > 0) attributes[ATTRIBUTE.memorySnapshotAge] = snapshot.ageMs / 1000;
  const top = topConsumers(snapshot);
  if (top.length > 0) {
    const size = sizeOfVram(snapshot);
    attributes[ATTRIBUTE.topConsumers] = top
      .map(
        ({ owner, bytes }) => `${owner} ${amount(bytes)}${size > 0 ? ` (${Math.round((100 * bytes) / size)} %)` : ''}`,
      )
      .join('; ');
  }
  const [first, ...more] = snapshot.evictedFor.slice(0, MOST_CONSUMERS);
  if (first !== undefined) {
    attributes[ATTRIBUTE.evictedFor] = [first, ...more]
      .map(({ owner, bytes }) => `${owner} ${amount(bytes)}`)
      .join('; ');
  }
  return attributes;
}

/** A clause such as `vram0 11.9 of 12.0 GiB used, most by ml/train-0/main (8.2 GiB)`; empty when nothing is known. Pure. */
export function memoryClause(snapshot: MemorySnapshot): string {
  // VRAM if there is any, otherwise the host memory of an integrated GPU.
  const shown = snapshot.regions.filter(({ region }) => isVram(region));
  const regions = shown.length > 0 ? shown : snapshot.regions;
  const used = describeMemory(regions.filter(({ usedBytes }) => usedBytes !== undefined));
  const [most] = topConsumers(snapshot);
  const [asker] = snapshot.everyClient ? snapshot.evictedFor : [];
  return [
    ...(used === '' ? [] : [used]),
    ...(most ? [`most by ${most.owner} (${amount(most.bytes)})`] : []),
    ...(asker ? [`${amount(asker.bytes)} moved out in the last minute to make room for ${asker.owner}`] : []),
  ].join(', ');
}

/** By owner, the largest first; none unless the snapshot may name other clients. */
function topConsumers(snapshot: MemorySnapshot): Consumer[] {
  if (!snapshot.everyClient) return [];
  const hasVram = snapshot.regions.some(({ region }) => isVram(region));
  const bytesOf = new Map<string, number>();
  for (const client of snapshot.clients) {
    bytesOf.set(client.owner, (bytesOf.get(client.owner) ?? 0) + resident(client, hasVram));
  }
  return [...bytesOf]
    .map(([owner, bytes]) => ({ owner, bytes }))
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, MOST_CONSUMERS);
}

function resident({ regions }: ClientMemory, vramOnly: boolean): number {
  return regions.reduce((sum, { region, residentBytes }) => sum + (vramOnly && !isVram(region) ? 0 : residentBytes), 0);
}

function sizeOfVram({ regions }: MemorySnapshot): number {
  return regions.reduce((sum, { region, sizeBytes }) => sum + (isVram(region) ? sizeBytes : 0), 0);
}

function isVram(region: string): boolean {
  return region.startsWith('vram');
}

function amount(bytes: number): string {
  return bytes >= GIB / 10 ? `${gibibytes(bytes)} GiB` : `${(bytes / MIB).toFixed(1)} MiB`;
}

/** Each region with its size and, where it is known, its use: `vram0 0.3 of 12.0 GiB used, gtt 31.0 GiB`. Pure. */
export function describeMemory(regions: readonly RegionMemory[]): string {
  return regions
    .map(({ region, usedBytes, sizeBytes }) =>
      usedBytes === undefined
        ? `${region} ${gibibytes(sizeBytes)} GiB`
        : `${region} ${gibibytes(usedBytes)} of ${gibibytes(sizeBytes)} GiB used`,
    )
    .join(', ');
}

function gibibytes(bytes: number): string {
  return (bytes / GIB).toFixed(1);
}
