import type { ClientTable, ClientTableListener } from '../clients/client-table.js';
import type { DeviceTable, DeviceTableListener } from '../host/device-table.js';

/** A stage that follows the two tables; either part may be absent. */
export interface Stage {
  readonly deviceListener?: DeviceTableListener;
  readonly clientListeners?: readonly ClientTableListener[];
}

/** Everything that follows the device table and the client table. */
export interface Stages {
  readonly sinks: Stage;
  readonly pipeline: Stage;
  readonly metrics: Stage;
  readonly memory: Stage;
  readonly ras?: Stage;
  readonly finder: Stage;
  readonly sources: readonly Stage[];
}

/**
 * Subscribes every stage to the two tables. The tables call their subscribers in this order, and it matters:
 *
 * - sinks and metrics first: the series of a device or a client exist at 0 before its first event, or rate() misses that event;
 * - metrics before memory, which sets the state of a device that metrics must know by then;
 * - the pipeline's own listeners in the pipeline's order: its inference asks the present clients about one that is leaving;
 * - the client finder before the sources: opening a file to probe the watch ioctl is what proves that the kernel announces
 *   clients, so debugfs has to be watched by then;
 * - sources last: from then on events arrive.
 */
export function subscribeAll(devices: DeviceTable, clients: ClientTable, stages: Stages): void {
  const { sinks, pipeline, metrics, memory, ras = {}, finder, sources } = stages;
  const inOrder = [sinks, pipeline, metrics, memory, ras, finder, ...sources];
  for (const { deviceListener, clientListeners = [] } of inOrder) {
    if (deviceListener) devices.subscribe(deviceListener);
    for (const listener of clientListeners) clients.subscribe(listener);
  }
}
