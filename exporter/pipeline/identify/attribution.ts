import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE, type UnattributedReason } from '../../names.js';

export interface AttributionOptions {
  readonly unattributed: (reason: UnattributedReason) => void;
  readonly next: (event: DeviceEvent) => void;
}

/** Counts each incident of a client that cannot be attributed to a container, once its identity is settled. */
export class Attribution {
  readonly #options: AttributionOptions;

  constructor(options: AttributionOptions) {
    this.#options = options;
  }

  readonly accept = (event: DeviceEvent): void => {
    const { unattributed, next } = this.#options;
    const reason = event.phase === 'opened' ? undefined : unattributedReason(event);
    if (reason !== undefined) unattributed(reason);
    next(event);
  };
}

/** Why an event cannot be attributed to a container; undefined when it can, or when it belongs to no client. Never guesses. */
export function unattributedReason(event: DeviceEvent): UnattributedReason | undefined {
  const { definition, client, report, source, details } = event;
  if (!definition.ofClient) return undefined;
  if (client === undefined) {
    // Only a watch belongs to a client that the report does not name.
    const mayNameNobody = report !== 'full' || source === 'uevent';
    return mayNameNobody && details?.[ATTRIBUTE.pid] === undefined ? 'no_pid' : 'client_gone';
  }
  const { workload } = client;
  return workload === undefined || (workload.containerId === '' && workload.podUid === '') ? 'no_container' : undefined;
}
