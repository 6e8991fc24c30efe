import type { Workload } from '../clients/client.js';
import type { ClientTable, ClientTableListener } from '../clients/client-table.js';
import type { XeDevice } from '../host/device.js';
import type { DeviceState } from '../host/device-state.js';
import type { DeviceTable } from '../host/device-table.js';
import type { MemoryMonitorOptions } from '../memory/memory-monitor.js';
import type { RasMonitorOptions } from '../ras/ras-monitor.js';
import type { Source, SourceContext, SourceEntry } from '../sources/source.js';

/** A GPU node: the machine the exporter runs on, or a made-up one. Everything that differs between the two. */
export interface Node {
  /** Shown on the status page. */
  readonly name: string;
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly readState: (device: XeDevice) => DeviceState;
  readonly memory: Pick<MemoryMonitorOptions, 'reader' | 'intervalMs' | 'clientMemory' | 'topConsumers'>;
  /** How its hardware error counters are read; undefined where that is not wanted. */
  readonly ras?: Pick<RasMonitorOptions, 'reader' | 'intervalMs'>;
  /** The sources that are wanted on it. */
  readonly sources: readonly SourceEntry[];
  /** What the sources read it through. */
  readonly access: Pick<SourceContext, 'config' | 'native'>;
  /** @returns what fills the client table; called once */
  readonly findClients: (sources: readonly Source[]) => Promise<ClientFinder>;
}

/** Keeps the client table as the node is. */
export interface ClientFinder {
  readonly clientListeners: readonly ClientTableListener[];
  /** A device was added; comes before any source opens a file of it. */
  readonly deviceAdded?: () => void;
  /** A process has just begun to use a GPU. */
  readonly gpuProcess?: (pid: number) => void;
  /** Whose process it is that has this text in its cgroup file. */
  readonly workloadOf: (cgroup: string, pid: number) => Workload | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
}
