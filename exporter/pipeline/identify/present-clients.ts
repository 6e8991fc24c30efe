import type { ClientEntry, ClientTableListener } from '../../clients/client-table.js';
import type { XeClient } from '../../clients/client.js';

/** A client that is present and since when it is known, in milliseconds of the clock given. */
export interface PresentClient {
  readonly client: XeClient;
  readonly since: number;
}

/** The clients of the client table by device, for the questions of the kernel log, which names no client. */
export class PresentClients implements ClientTableListener {
  readonly #now: () => number;
  readonly #byDevice = new Map<string, Map<number, PresentClient>>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  added({ client }: Pick<ClientEntry, 'client'>): void {
    const { pciBdf } = client.device;
    const clients = this.#byDevice.get(pciBdf) ?? new Map<number, PresentClient>();
    this.#byDevice.set(pciBdf, clients);
    clients.set(client.drmClientId, { client, since: this.#now() });
  }

  removed({ client }: Pick<ClientEntry, 'client'>): void {
    const clients = this.#byDevice.get(client.device.pciBdf);
    clients?.delete(client.drmClientId);
    if (clients?.size === 0) this.#byDevice.delete(client.device.pciBdf);
  }

  /** The oldest first. */
  on(pciBdf: string): PresentClient[] {
    return [...(this.#byDevice.get(pciBdf)?.values() ?? [])];
  }

  get(client: XeClient): PresentClient | undefined {
    return this.#byDevice.get(client.device.pciBdf)?.get(client.drmClientId);
  }
}
