import type { Workload, XeClient } from '../clients/client.js';
import type { ClientTableListener } from '../clients/client-table.js';

interface Holder {
  /** Clients of this workload. */
  count: number;
  workload: Workload;
}

/** Which workloads have which devices open. */
export class OpenDevices {
  /** By PCI address, then by owner. */
  readonly #holders = new Map<string, Map<string, Holder>>();

  readonly clientListener: ClientTableListener = {
    added: ({ client }) => this.#count(client, 1),
    named: ({ client }) => this.#count(client, 0),
    removed: ({ client }) => this.#count(client, -1),
  };

  /** The workloads that have a device open now; all have an owner. */
  workloadsOf(pciBdf: string): readonly Workload[] {
    return [...(this.#holders.get(pciBdf)?.values() ?? [])].map(({ workload }) => workload);
  }

  /** PCI addresses of the devices that a workload has open now. */
  devicesOf(owner: string): readonly string[] {
    return [...this.#holders].filter(([, holders]) => holders.has(owner)).map(([pciBdf]) => pciBdf);
  }

  #count({ device: { pciBdf }, workload }: XeClient, by: 1 | 0 | -1): void {
    if (workload?.owner === undefined) return;
    const holders = this.#holders.get(pciBdf) ?? new Map<string, Holder>();
    const count = (holders.get(workload.owner)?.count ?? 0) + by;
    if (count > 0) holders.set(workload.owner, { count, workload });
    else holders.delete(workload.owner);
    if (holders.size > 0) this.#holders.set(pciBdf, holders);
    else this.#holders.delete(pciBdf);
  }
}
