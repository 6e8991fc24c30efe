import type { XeClient } from '../../clients/client.js';
import type { ClientTableListener } from '../../clients/client-table.js';

/** Which workloads have which devices open. */
export class OpenDevices {
  /** By PCI address, then by owner: how many clients. */
  readonly #counts = new Map<string, Map<string, number>>();

  readonly clientListener: ClientTableListener = {
    added: ({ client }) => this.#count(client, 1),
    removed: ({ client }) => this.#count(client, -1),
  };

  /** The workloads that have a device open now. */
  ownersOf(pciBdf: string): readonly string[] {
    return [...(this.#counts.get(pciBdf)?.keys() ?? [])];
  }

  /** PCI addresses of the devices that a workload has open now. */
  devicesOf(owner: string): readonly string[] {
    return [...this.#counts].filter(([, owners]) => owners.has(owner)).map(([pciBdf]) => pciBdf);
  }

  #count({ device: { pciBdf }, workload }: XeClient, by: 1 | -1): void {
    const owner = workload?.owner;
    if (owner === undefined) return;
    const owners = this.#counts.get(pciBdf) ?? new Map<string, number>();
    const count = (owners.get(owner) ?? 0) + by;
    if (count > 0) owners.set(owner, count);
    else owners.delete(owner);
    if (owners.size > 0) this.#counts.set(pciBdf, owners);
    else this.#counts.delete(pciBdf);
  }
}
