import type { DeviceTable } from '../../host/device-table.js';
import type { NativeAddon } from '../../native/binding.js';
import type { FeatureBoard } from '../../features.js';
import { ClientIntake } from '../client-intake.js';
import type { ClientNaming } from '../client-naming.js';
import type { ClientTable, ClientTableListener } from '../client-table.js';
import { DebugfsDiscovery } from './debugfs-discovery.js';
import { ProcDiscovery } from './proc-discovery.js';
import { ProcessSearch } from './process-search.js';
import { Repeated } from '../../time/repeated.js';

/** How often /proc is looked at where the kernel announces clients: for holders, and for clients it could not be seen in. */
const RECONCILIATION_MS = 60_000;

export type DiscoveryMode = 'auto' | 'debugfs' | 'proc';

export interface NodeDiscoveryOptions {
  readonly mode: DiscoveryMode;
  readonly native: Pick<NativeAddon, 'scanDrmFds' | 'findDrmFds' | 'startReads' | 'DirectoryWatch'>;
  readonly procRoot: string;
  readonly debugfsRoot: string;
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly naming?: ClientNaming | undefined;
  readonly features: FeatureBoard;
  readonly scanIntervalMs: number;
  /** Clients that did not fit the table at one look at /proc. */
  readonly onRefused?: (count: number) => void;
}

/**
 * Keeps devices and clients of the table as they are on the node: by the kernel's announcements where it makes them, and by
 * looks at /proc, at every scan interval without announcements and rarely with them.
 */
export class NodeDiscovery {
  readonly #options: NodeDiscoveryOptions;
  readonly #intake: ClientIntake;
  readonly #debugfs: DebugfsDiscovery | undefined;
  readonly #proc: ProcDiscovery | undefined;
  readonly #processes: ProcessSearch;
  readonly #ticking: Repeated;
  #lookedAt = -Infinity;
  /** What has to follow the client table; the order does not matter. */
  readonly clientListeners: readonly ClientTableListener[];

  constructor(options: NodeDiscoveryOptions) {
    const { mode, features, scanIntervalMs } = options;
    this.#options = options;
    this.#intake = new ClientIntake(options);
    const parts = { ...options, intake: this.#intake };
    if (mode === 'proc') features.report('discovery_debugfs', 'disabled', 'switched off by --discovery');
    else this.#debugfs = new DebugfsDiscovery(parts);
    if (mode === 'debugfs') features.report('discovery_proc', 'disabled', 'switched off by --discovery');
    else this.#proc = new ProcDiscovery(parts);
    this.#processes = new ProcessSearch(parts);
    this.clientListeners = [
      this.#intake.clientListener,
      this.#processes.clientListener,
      ...(this.#proc ? [this.#proc.clientListener] : []),
    ];
    this.#ticking = new Repeated(() => this.#tick(), scanIntervalMs);
  }

  /**
   * Listens to announcements from now on, where there are any. Before the first file that the exporter opens itself: it proves
   * that they are made, also on a node without a client.
   */
  listen(): void {
    this.#debugfs?.list();
  }

  /** A process has just begun to use a GPU: its clients are looked for at once. */
  seekProcess(pid: number): void {
    this.#processes.seek(pid);
  }

  /** Resolves when the node has been looked at once. */
  start(): Promise<void> {
    return this.#ticking.start();
  }

  async stop(): Promise<void> {
    this.#intake.stop();
    await Promise.all([this.#ticking.stop(), this.#debugfs?.stop(), this.#processes.stop()]);
  }

  async #tick(): Promise<void> {
    const { devices, clients } = this.#options;
    devices.refresh();
    const listed = this.#debugfs?.list();
    if (this.#proc !== undefined && this.#lookIsDue(listed !== undefined)) {
      this.#lookedAt = performance.now();
      await this.#proc.look(listed);
      this.#debugfs?.judge();
    } else if (listed !== undefined) {
      clients.confirm(listed);
    }
    if (listed !== undefined) this.#debugfs?.seek(listed);
  }

  #lookIsDue(announced: boolean): boolean {
    // Asked first: it starts anew.
    const left = this.#debugfs?.takeLeft() ?? false;
    return !announced || left || performance.now() - this.#lookedAt >= RECONCILIATION_MS;
  }
}
