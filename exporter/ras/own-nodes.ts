import type { XeDevice } from '../host/device.js';
import type { RasNode } from '../wire/drm-ras.js';
import { NO_COUNTERS, rasRefused, type RasSupport } from './ras-feature.js';
import type { RasReader } from './ras-reader.js';

/** The devices that have error counters. */
export interface OwnNodes {
  /** Number of the netlink family. */
  readonly family: number;
  /** At least one. */
  readonly devices: readonly { readonly device: XeDevice; readonly nodes: readonly RasNode[] }[];
}

/** Which of these devices have error counters, or why none can be read. Reaches no device. Never rejects. */
export async function ownNodes(reader: RasReader, devices: readonly XeDevice[]): Promise<OwnNodes | RasSupport> {
  const family = await reader.family();
  if (typeof family !== 'number') return rasRefused(family);
  const all = await reader.nodes(family);
  if ('errno' in all) return rasRefused(all);
  const own = devices
    .map((device) => ({ device, nodes: all.filter((node) => node.device === device.pciBdf) }))
    .filter(({ nodes }) => nodes.length > 0);
  return own.length > 0 ? { family, devices: own } : NO_COUNTERS;
}
