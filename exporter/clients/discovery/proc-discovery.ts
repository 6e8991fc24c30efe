import { pid as ownPid } from 'node:process';
import { DRM_MAJOR, drmMinors } from '../../host/device.js';
import type { DeviceTable } from '../../host/device-table.js';
import type { DrmFdScan, NativeAddon } from '../../native/binding.js';
import type { FeatureBoard } from '../../features.js';
import type { ClientIntake } from '../client-intake.js';
import type { ClientTable, ClientTableListener } from '../client-table.js';
import { GpuFreeProcesses } from './gpu-free-processes.js';

export interface ProcDiscoveryOptions {
  readonly native: Pick<NativeAddon, 'scanDrmFds'>;
  readonly procRoot: string;
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly intake: ClientIntake;
  readonly features: FeatureBoard;
  /** Clients that did not fit the table at this scan. */
  readonly onRefused?: (count: number) => void;
}

/**
 * Finds xe clients by looking for drm files, by device number, in every process that may have one. One scan at a time;
 * the walk over /proc runs in native code off the JavaScript thread.
 */
export class ProcDiscovery {
  readonly #options: ProcDiscoveryOptions;
  readonly #gpuFree = new GpuFreeProcesses();
  /** Clients added by another search since the current scan began: the scan says nothing about them. */
  readonly #addedMeanwhile = new Set<number>();
  #minors: readonly number[] = [];

  readonly clientListener: ClientTableListener = {
    added: ({ client }) => this.#addedMeanwhile.add(client.drmClientId),
  };

  constructor(options: ProcDiscoveryOptions) {
    this.#options = options;
  }

  /**
   * One scan of the node: find files, identify them, update the client table. Never rejects.
   *
   * @param alive clients the kernel has just listed: they are present even if no process was seen with them
   */
  async look(alive: Iterable<number> = []): Promise<void> {
    const { native, procRoot, clients, intake, onRefused } = this.#options;
    this.#addedMeanwhile.clear();
    const minors = this.#minorsNow();
    if (minors.length === 0) return clients.reconcile(new Map());
    const scan = await native.scanDrmFds(procRoot, DRM_MAJOR, Uint32Array.from(minors), this.#gpuFree.toSkip());
    this.#reportState(scan);
    if (scan.failure !== undefined) return;

    this.#gpuFree.update(scan.gpuFree);
    // Our own files belong to the probe, or are copies of clients being attached to.
    const fds = scan.fds.filter(({ pid }) => pid !== ownPid);
    await intake.identify(fds);
    if (intake.stopped) return;
    intake.retain(fds);
    const { holders, doubtful } = intake.sighting(fds);
    clients.reconcile(holders, new Set([...doubtful, ...alive, ...this.#addedMeanwhile]));
    const refused = await intake.admit(holders);
    if (refused > 0) onRefused?.(refused);
  }

  /** A process without a file of the former devices may have one of a new device. */
  #minorsNow(): readonly number[] {
    const minors = drmMinors(this.#options.devices.devices);
    if (String(minors) !== String(this.#minors)) this.#gpuFree.clear();
    this.#minors = minors;
    return minors;
  }

  #reportState({ failure, processes, denied }: DrmFdScan): void {
    const { features, procRoot } = this.#options;
    if (failure !== undefined) {
      features.report(
        'discovery_proc',
        'denied',
        `${procRoot} cannot be read`,
        `Mount the node's /proc at ${procRoot}.`,
      );
    } else if (denied > 0) {
      features.report(
        'discovery_proc',
        'denied',
        denied === processes ? 'no process can be inspected' : 'some processes cannot be inspected',
        'Run with hostPID, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.',
      );
    } else {
      features.report('discovery_proc', 'active');
    }
  }
}
