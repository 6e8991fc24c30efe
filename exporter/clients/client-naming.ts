import type { PodDirectory } from '../kubernetes/pods/pod-directory.js';
import type { Workload, XeClient } from './client.js';
import type { ClientTable } from './client-table.js';
import type { WorkloadIdentity, WorkloadResolver } from './workload.js';

/**
 * Finds out who a client belongs to. Ids are read while the process lives, before the watch is placed. Pod names can
 * arrive later, and are then given to the clients that wait for them.
 */
export class ClientNaming {
  readonly #workloads: WorkloadResolver;
  readonly #clients: ClientTable;
  readonly #identities = new WeakMap<XeClient, WorkloadIdentity>();

  constructor(workloads: WorkloadResolver, clients: ClientTable, pods: Pick<PodDirectory, 'onChange'> | undefined) {
    this.#workloads = workloads;
    this.#clients = clients;
    pods?.onChange(() => this.#nameAgain());
  }

  /** Sets the workload of a client that is not in the table yet. Never rejects. */
  async name(client: XeClient): Promise<void> {
    const identity = await this.#workloads.identify(client.process.pid);
    this.#identities.set(client, identity);
    client.workload = this.#workloads.name(identity);
  }

  #nameAgain(): void {
    for (const { client } of this.#clients.entries()) {
      const identity = this.#identities.get(client);
      if (identity === undefined || isNamed(client.workload)) continue;
      const workload = this.#workloads.name(identity);
      if (workload?.pod !== client.workload?.pod || workload?.container !== client.workload?.container) {
        this.#clients.setWorkload(client, workload);
      }
    }
  }
}

function isNamed(workload: Workload | undefined): boolean {
  return workload === undefined || (workload.pod !== '' && workload.container !== '');
}
