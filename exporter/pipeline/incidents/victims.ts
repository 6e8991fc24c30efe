import type { XeClient } from '../../clients/client.js';
import type { DeviceEvent, InferredVictim } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import { withTracedClient } from '../identify/traced-clients.js';

export interface VictimsOptions {
  /** Who an incident of a client probably hit. */
  readonly infer?: (event: DeviceEvent) => InferredVictim | undefined;
  /** The client that the trace has named, while it is known or remembered. */
  readonly find?: (event: DeviceEvent) => XeClient | undefined;
}

/** Whom an incident hit, by what is known when it is asked. */
export class Victims {
  readonly #options: VictimsOptions;

  constructor(options: VictimsOptions) {
    this.#options = options;
  }

  /** The event with its client, if the trace has named one that is known by now. */
  named(event: DeviceEvent): DeviceEvent | undefined {
    if (!isTraced(event)) return undefined;
    const client = event.client ?? this.#options.find?.(event);
    return client && withTracedClient(event, client);
  }

  /** The event with whoever it was: nobody is inferred where the trace has named somebody. */
  concluded(event: DeviceEvent): DeviceEvent {
    if (event.client !== undefined || !event.definition.ofClient) return event;
    if (isTraced(event)) return this.named(event) ?? event;
    return { ...event, inferred: this.#options.infer?.(event) };
  }
}

/** Whether the trace has named a process. */
export function isTraced({ details }: DeviceEvent): boolean {
  return details?.[ATTRIBUTE.victimEvidence] !== undefined;
}

/** An incident with what the trace says of it. */
export function withTrace(event: DeviceEvent, { client, details }: DeviceEvent): DeviceEvent {
  return { ...event, client: event.client ?? client, details: { ...event.details, ...details } };
}
