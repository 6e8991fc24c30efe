import type { ClientEntry, ClientTableListener } from '../../clients/client-table.js';
import type { XeClient } from '../../clients/client.js';
import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';

/** How long a client that left is still known, in milliseconds, and how many of them are. */
const DEPARTED_MS = 60_000;
const MAX_DEPARTED = 4_096;

interface Departed {
  readonly client: XeClient;
  readonly at: number;
}

/** The clients behind what the driver's trace names: also those that left a moment ago, because a VM can outlive its process. */
export class TracedClients implements ClientTableListener {
  readonly #now: () => number;
  readonly #present = new Map<number, XeClient>();
  /** The first to leave first. */
  readonly #departed = new Map<number, Departed>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  added({ client }: Pick<ClientEntry, 'client'>): void {
    this.#present.set(client.drmClientId, client);
    this.#departed.delete(client.drmClientId);
  }

  removed({ client }: Pick<ClientEntry, 'client'>): void {
    this.#present.delete(client.drmClientId);
    this.#departed.set(client.drmClientId, { client, at: this.#now() });
    this.#forget();
  }

  /**
   * The client that the trace names, by its id or, where the kernel does not tell that, by the process: then the oldest of the process
   * on the device stands for it. undefined when it names none, or one that was never found.
   */
  find({ device, details }: DeviceEvent): XeClient | undefined {
    this.#forget();
    const id = details?.[ATTRIBUTE.drmClientId];
    if (typeof id === 'number') return this.#present.get(id) ?? this.#departed.get(id)?.client;
    const pid = details?.[ATTRIBUTE.pid];
    if (typeof pid !== 'number') return undefined;
    const isMeant = (client: XeClient): boolean =>
      client.process.pid === pid && (device === undefined || client.device.pciBdf === device.pciBdf);
    for (const client of this.#present.values()) if (isMeant(client)) return client;
    return [...this.#departed.values()].findLast(({ client }) => isMeant(client))?.client;
  }

  #forget(): void {
    const oldest = this.#now() - DEPARTED_MS;
    for (const [id, { at }] of this.#departed) {
      if (at >= oldest && this.#departed.size <= MAX_DEPARTED) break;
      this.#departed.delete(id);
    }
  }
}

const OF_CLIENT: readonly string[] = [ATTRIBUTE.pid, ATTRIBUTE.executable, ATTRIBUTE.drmClientId];

/** The event with its client, which knows more of itself than the trace does. */
export function withTracedClient(event: DeviceEvent, client: XeClient): DeviceEvent {
  const others = Object.entries(event.details ?? {}).filter(([name]) => !OF_CLIENT.includes(name));
  return { ...event, client, device: event.device ?? client.device, details: Object.fromEntries(others) };
}
