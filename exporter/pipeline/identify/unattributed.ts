import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE, type UnattributedReason } from '../../names.js';

/**
 * Why an event cannot be put down to a container; undefined when it can, or when it belongs to no client. The source has
 * stamped the client already: this stage judges what is known, and never guesses.
 */
export function unattributedReason({
  definition,
  client,
  source,
  details,
}: DeviceEvent): UnattributedReason | undefined {
  if (!definition.ofClient) return undefined;
  if (client === undefined) {
    return source === 'kmsg' && details?.[ATTRIBUTE.pid] === undefined ? 'no_pid' : 'client_gone';
  }
  const { workload } = client;
  return workload === undefined || (workload.containerId === '' && workload.podUid === '') ? 'no_container' : undefined;
}
