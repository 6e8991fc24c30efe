import type { XeClient } from '../../clients/client.js';
import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import type { PresentClients } from './present-clients.js';

/** /proc/stat tells the boot to the second only. */
const CLOCK_SLACK_MS = 1_000;

/**
 * The client of the process that a kernel log line names; undefined when it names none, or when that process has not exactly one client on the
 * device. The pid is that of the process that opened the file (xe_device.c, Linux 7.2): a process that began later has only taken it over.
 */
export function namedClient(
  { device, details, realtimeNs }: DeviceEvent,
  clients: PresentClients,
): XeClient | undefined {
  const pid = details?.[ATTRIBUTE.pid];
  if (typeof pid !== 'number' || device === undefined) return undefined;
  const happenedAt = Number(realtimeNs / 1_000_000n);
  const [found, ...others] = clients
    .on(device.pciBdf)
    .map(({ client }) => client)
    .filter(({ process }) => process.pid === pid && !(startedAt(process.createdAt) > happenedAt + CLOCK_SLACK_MS));
  return others.length === 0 ? found : undefined;
}

function startedAt(createdAt: string | undefined): number {
  return createdAt === undefined ? NaN : Date.parse(createdAt);
}
