import { ClientTable, type ClientTableListener } from './clients/client-table.js';
import { ClientNaming } from './clients/client-naming.js';
import { NodeDiscovery } from './clients/node-discovery.js';
import { WorkloadResolver } from './clients/workload.js';
import type { Environment } from './config/load.js';
import type { Config } from './config/schema.js';
import { wantedEvents } from './events/index.js';
import type { XeDevice } from './host/device.js';
import { DeviceTable } from './host/device-table.js';
import { openPodDirectory } from './kubernetes/open.js';
import type { NativeAddon } from './native/binding.js';
import { SIMULATED_DEVICES, SimulatedNode } from './sources/simulator/simulated-node.js';
import type { BatchHandler } from './sources/source.js';
import { probeWatchIoctl } from './sources/xe-watch-queue/probe.js';
import { WatchQueueSource } from './sources/xe-watch-queue/source.js';
import type { ExporterMetrics } from './telemetry/exporter-metrics.js';
import type { FeatureBoard } from './telemetry/features.js';
import type { Logger } from './telemetry/logger.js';

/** What watching a node needs from the rest of the program. */
export interface NodeWatchOptions {
  readonly config: Config;
  readonly env: Environment;
  readonly native: NativeAddon;
  readonly features: FeatureBoard;
  readonly metrics: ExporterMetrics;
  readonly logger: Logger;
  /** Who wants to know of clients: before their first event, and when they left. */
  readonly listeners?: readonly ClientTableListener[];
  /** Called before anything on the device is let go of. */
  readonly onDeviceRemoved?: (device: XeDevice) => void;
}

/** One node under watch: its devices, their clients, and the source that delivers what happens to them. */
export interface NodeWatch {
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly source: WatchQueueSource;
  start(handler: BatchHandler): Promise<void>;
  stop(): Promise<void>;
}

/** Soft limit on open files asked for: the kernel counts watches of a user against it (kernel/watch_queue.c, Linux 7.2). */
const FD_MARGIN = 256;

/** Watches the node this process runs on. */
export async function watchThisNode(options: NodeWatchOptions): Promise<NodeWatch> {
  const { config, env, native, features, logger } = options;
  const { devices, clients, source } = assemble(options, 'watch_queue', (onAdded, onRemoved) =>
    DeviceTable.overSysfs(config.sysRoot, {
      onAdded,
      onRemoved,
      onOverflow: (found, kept) => logger.warn({ found, kept }, 'more xe devices than the exporter watches'),
    }),
  );
  const pods = await openPodDirectory({ mode: config.kubernetes, nodeName: config.nodeName, env, features });
  const workloads = new WorkloadResolver({ procRoot: config.procRoot, ...(pods && { pods }) });
  const discovery = new NodeDiscovery({
    mode: config.discovery,
    native,
    procRoot: config.procRoot,
    debugfsRoot: config.debugfsRoot,
    scanIntervalMs: config.scanInterval,
    devices,
    clients,
    naming: new ClientNaming(workloads, clients, pods),
    features,
    onRefused: (refused) =>
      logger.warn({ refused, maxClients: config.maxClients }, 'clients left unwatched: raise --max-clients'),
  });

  return {
    devices,
    clients,
    source,
    async start(handler) {
      const limits = native.raiseFdLimit(config.maxClients + FD_MARGIN);
      if (limits.soft < config.maxClients + FD_MARGIN) {
        logger.warn(limits, 'the limit on open files may be too low for --max-clients: raise RLIMIT_NOFILE');
      }
      await source.start(handler);
      await pods?.start();
      await discovery.start();
      if (devices.devices.length === 0) source.reportIdle();
    },
    async stop() {
      await discovery.stop();
      await pods?.stop();
      await source.stop();
    },
  };
}

/** Watches a made-up node with two GPUs, through the real reader thread over fake pipes. */
export async function watchSimulatedNode(options: NodeWatchOptions): Promise<NodeWatch> {
  const { devices, clients, source } = assemble(
    options,
    'simulator',
    (onAdded, onRemoved) => new DeviceTable({ list: () => SIMULATED_DEVICES, onAdded, onRemoved }),
  );
  const node = new SimulatedNode({
    clients,
    post: (entry, record) => source.post(entry, record),
    rate: options.config.demoRate,
    outcomeWindowMs: options.config.outcomeWindow,
  });
  return {
    devices,
    clients,
    source,
    async start(handler) {
      await source.start(handler);
      devices.refresh();
      node.start();
    },
    async stop() {
      node.stop();
      await source.stop();
    },
  };
}

type DeviceHandler = (device: XeDevice) => void;

/** The parts both kinds of node share, wired left to right. */
function assemble(
  { config, native, features, metrics, listeners, onDeviceRemoved }: NodeWatchOptions,
  name: 'watch_queue' | 'simulator',
  makeDevices: (onAdded: DeviceHandler, onRemoved: DeviceHandler) => DeviceTable,
): { devices: DeviceTable; clients: ClientTable; source: WatchQueueSource } {
  const clients = new ClientTable(config.maxClients);
  for (const listener of listeners ?? []) clients.subscribe(listener);
  clients.subscribe({
    countsChanged: (device, counts) => metrics.devices.clientCounts(device, counts.present, counts.watched),
  });
  const simulated = name === 'simulator';
  const source = new WatchQueueSource({
    name,
    backend: simulated ? 'fake' : 'linux',
    native,
    queueBytes: config.readerQueueBytes,
    clients,
    features,
    wanted: wantedEvents(config.events),
    probe: simulated
      ? () => Promise.resolve({ request: 0, state: 'active', reason: 'simulated', fix: '', retry: false })
      : (device) => probeWatchIoctl(native, device, config.devRoot, config.xeWatchIoctl),
    accounting: {
      attachFailed: (reason) => metrics.clientAttachFailures.cell(reason).inc(),
      recordsDropped: (count) => metrics.eventsDropped.cell('reader', '', 'queue_full').inc(count),
      upChanged: (up) => metrics.sourceUp.cell(name).set(up ? 1 : 0),
    },
  });
  const devices = makeDevices(
    (device) => {
      metrics.devices.deviceDiscovered(device);
      void source.deviceAdded(device);
    },
    (device) => {
      onDeviceRemoved?.(device);
      metrics.devices.deviceRemoved(device);
      source.deviceRemoved(device);
    },
  );
  return { devices, clients, source };
}
