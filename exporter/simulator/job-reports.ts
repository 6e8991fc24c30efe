import type { ClientEntry, ClientTable } from '../clients/client-table.js';
import { encodeRemoval, encodeVmError } from '../wire/watch-notification.js';
import type { SimulatedKernel } from './simulated-kernel.js';

/** How the simulated kernel lets the exporter know what happens to a job. */
export interface JobReports {
  /** Whether an error of this job would be reported with its name by now. */
  sees(entry: ClientEntry): boolean;
  started(entry: ClientEntry): void;
  /** The job's VM, counted from 1, was stopped. @param code negative errno. @returns false when nothing of it could be reported */
  vmFailed(entry: ClientEntry, vmId: number, code: number): boolean;
  left(entry: ClientEntry): void;
}

/**
 * A kernel with the watch queue: a record in the pipe that watches the client.
 *
 * @param post posts a record for a client's watch into its pipe; false while the client is not watched
 */
export function watchQueueReports(
  post: (entry: ClientEntry, record: (watchId: number) => Uint8Array) => boolean,
): JobReports {
  return {
    sees: ({ watched }) => watched,
    started: () => undefined,
    vmFailed: (entry, vmId, code) => post(entry, (watchId) => encodeVmError(watchId, vmId, code)),
    left: (entry) => void post(entry, encodeRemoval),
  };
}

/**
 * A kernel without it: the log has the error code and no process, the trace has the process and no error code. That a job has left
 * is seen when its files are looked for.
 */
export function stockReports(kernel: Pick<SimulatedKernel, 'log' | 'trace'>, clients: ClientTable): JobReports {
  return {
    sees: () => true,
    started({ client }) {
      kernel.trace.queueCreated(client);
      kernel.trace.vmCreated(client, 1);
    },
    vmFailed({ client }, vmId, code) {
      kernel.log(client.device, `VM worker error: ${code}`, 'warning');
      kernel.trace.vmKilled(client, vmId);
      kernel.trace.vmCreated(client, vmId + 1);
      return true;
    },
    left: (entry) => clients.remove(entry),
  };
}
