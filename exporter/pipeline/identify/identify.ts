import type { DeviceEvent } from '../../events/device-event.js';
import { namedClient } from './named-process.js';
import type { PresentClients } from './present-clients.js';
import { withTracedClient, type TracedClients } from './traced-clients.js';
import type { VictimInference } from './victim-inference.js';

export interface IdentifyOptions {
  readonly clients: PresentClients;
  readonly traced: TracedClients;
  readonly inference: VictimInference;
  readonly next: (event: DeviceEvent) => void;
}

/**
 * Whose event it is, where a kernel log line, the head of a coredump or the trace names a process. A watch queue record has its client already: the source
 * knows which watch id belongs to whom.
 */
export class Identify {
  readonly #options: IdentifyOptions;

  constructor(options: IdentifyOptions) {
    this.#options = options;
  }

  readonly accept = (event: DeviceEvent): void => {
    const { clients, traced, inference, next } = this.#options;
    if (event.report === 'victim') {
      const client = event.definition.ofClient ? traced.find(event) : undefined;
      return next(client === undefined ? event : withTracedClient(event, client));
    }
    if (event.report === 'bare') inference.observe(event);
    if (event.client !== undefined || !event.definition.ofClient) return next(event);
    const client = namedClient(event, clients);
    next(client === undefined ? event : { ...event, client });
  };
}
